"""Validation errors in words: the first one, as one sentence that names the member and what it must be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

_WORDS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "missing": lambda _: "is required",
    "string_type": lambda _: "must be a string",
    "string_unicode": lambda _: "must be valid Unicode",
    "bool_type": lambda _: "must be true or false",
    "int_type": lambda _: "must be a whole number",
    "int_parsing": lambda _: "must be a whole number",
    "dict_type": lambda _: "must be an object",
    "model_type": lambda _: "must be an object",
    "model_attributes_type": lambda _: "must be an object",
    "list_type": lambda _: "must be a list",
    "string_too_long": lambda ctx: f"must have at most {ctx['max_length']} characters",
    "string_too_short": lambda ctx: f"must have at least {ctx['min_length']} characters",
    "too_long": lambda ctx: f"must have at most {ctx['max_length']} entries",
}


def sentence(error: ValidationError) -> str:
    """`name: must be a string.`"""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part)[:60] for part in first["loc"]) or "body"
    said = first["msg"].removeprefix("Value error, ")
    words = _WORDS[first["type"]](first.get("ctx", {})) if first["type"] in _WORDS else said[0].lower() + said[1:]
    return f"{where}: {words.rstrip('.')}."
