"""Describing endpoints for the OpenAPI document: the names that every noun of this face uses."""

from __future__ import annotations

from broker.faces.describe import REFUSED as REFUSED
from broker.faces.describe import gives as gives
from broker.faces.describe import takes as takes
