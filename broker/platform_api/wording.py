"""Moved to `broker/faces/wording.py`."""

from broker.faces.wording import sentence as sentence
