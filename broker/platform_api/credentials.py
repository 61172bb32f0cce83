"""Moved to `broker/faces/credentials.py`."""

from broker.faces.credentials import Credentials as Credentials
from broker.faces.credentials import parse as parse
