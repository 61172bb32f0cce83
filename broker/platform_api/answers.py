"""Moved to `broker/faces/answers.py`."""

from broker.faces.answers import Answer as Answer
