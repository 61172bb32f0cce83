"""What may be given along when an add-on is made: the `options_schema` of its plan, a JSON Schema of the partner's.

Schemas come from outside: patterns run in linear time, and references lead nowhere but into the schema itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from broker.kernel.errors import InvalidParams

_VALUE: Final = "the value"
"""Stands in messages for what was given, which may be a secret."""
_CLOSED_BY: Final = (
    "additionalProperties",
    "unevaluatedProperties",
    "patternProperties",
    "$ref",
    "allOf",
    "anyOf",
    "oneOf",
)
_MOST_FAULTS: Final = 10


def schema_complaint(schema: Mapping[str, Any]) -> str | None:
    """What is wrong with a schema, or None."""
    try:
        _validator(schema)
    except (ValidationError, ValueError) as error:
        first = str(error).partition("\n")[0]
        return f"is not a JSON Schema of draft 2020-12 that can be used: {first:.200}"
    return None


def check_options(plan: str, schema: Mapping[str, Any] | None, options: Mapping[str, str]) -> None:
    """Go on only with options that the plan's schema allows. Without a schema everything is allowed.

    Options are texts: where the schema wants a number or a truth value, what the text spells is looked at.
    Raises: InvalidParams, naming every fault.
    """
    if schema is None:
        return
    known = schema.get("properties", {})
    given = {name: _spelt(text, known.get(name)) for name, text in options.items()}
    errors = sorted(_validator(schema).iter_errors(given), key=lambda error: list(map(str, error.instance_path)))
    if errors:
        faults = "; ".join(_fault(error) for error in errors[:_MOST_FAULTS])
        names = f" The options of {plan} are {', '.join(known)}." if known else ""
        raise InvalidParams(f"{plan} does not take these options: {faults}.{names}")


def _validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    whole = dict(schema)
    if not any(word in schema for word in _CLOSED_BY):
        whole["additionalProperties"] = False  # an option that nobody knows is a mistake in typing
    return Draft202012Validator(whole, pattern_options=RegexOptions(), retriever=_nothing, mask=_VALUE)


def _nothing(uri: str) -> Any:
    raise ValueError(f"{uri:.100} is not fetched: write the schema in one piece")


def _spelt(text: str, rule: object) -> Any:
    """The JSON value that the text spells, if the schema wants another type than text."""
    kinds = rule.get("type", "string") if isinstance(rule, Mapping) else "string"
    if kinds == "string" or "string" in kinds:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _fault(error: ValidationError) -> str:
    place = ".".join(map(str, error.instance_path))
    return f"{place}: {error.message}" if place else error.message
