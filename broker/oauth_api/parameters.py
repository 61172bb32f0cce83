"""Reading the parameters of a request to the OAuth endpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from fastapi import Request

from broker.faces.reading import Bounds, read_bytes
from broker.kernel.errors import BadRequest

_MOST_PARAMETERS: Final = 50

Parameters = Mapping[str, str]


async def parameters(request: Request) -> Parameters:
    """The parameters of the form, whatever its content type is said to be, or of the query if there is no body.

    Some providers send JSON, as their HTTP libraries do unless they are told otherwise: that is understood as well.
    Raises: BadRequest for what is neither, or names a parameter twice; PayloadTooLarge, RequestTimeout.
    """
    bounds: Bounds = request.app.state.bounds
    body = (await read_bytes(request, bounds)).strip()
    return _of_json(body) if body.startswith(b"{") else _of_form(body or request.scope["query_string"])


def _of_form(raw: bytes) -> Parameters:
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS, errors="strict")
    except ValueError:
        raise BadRequest("Send the parameters as a form: `application/x-www-form-urlencoded`.") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadRequest("A parameter may be there only once.")
    return {name: value for name, value in found.items() if value}


def _of_json(raw: bytes) -> Parameters:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadRequest("The request body is not valid JSON.") from None
    if not isinstance(found, dict) or not all(isinstance(value, str) or value is None for value in found.values()):
        raise BadRequest("Parameters must be strings.")
    return {name: value for name, value in found.items() if value}
