"""Moved to `broker/faces/errors.py`."""

from broker.faces.errors import STATUS as STATUS
from broker.faces.errors import error_body as error_body
from broker.faces.errors import install as install
from broker.faces.errors import refusal as refusal
from broker.faces.errors import status_of as status_of
