"""What a form has to ask for, from the `options_schema` of a plan; and what was answered, as options. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

_MOST: Final = 50
_LONGEST: Final = 200
_NUMBERS: Final = ("integer", "number")


class FieldKind(StrEnum):
    """How something is asked for."""

    TEXT = "text"
    SECRET = "password"  # noqa: S105 - a kind of field
    NUMBER = "number"
    CHOICE = "choice"
    TRUTH = "truth"


@dataclass(frozen=True, slots=True)
class OptionField:
    """One thing to be asked for. Units: `least` and `most` as the schema has them."""

    name: str
    label: str
    hint: str
    kind: FieldKind
    required: bool
    default: str
    choices: Sequence[str] = ()
    least: str = ""
    most: str = ""
    is_whole: bool = False


def option_fields(schema: Mapping[str, Any] | None) -> list[OptionField]:
    """The fields, those first that must be filled in: how a schema is stored keeps no order. What a form can't ask for (lists, objects) is asked for as text."""
    known = schema.get("properties") if schema else None
    if schema is None or not isinstance(known, Mapping):
        return []
    required = schema.get("required", ())
    found = [
        _field(str(name), rule, name in required)
        for name, rule in list(known.items())[:_MOST]
        if isinstance(rule, Mapping)
    ]
    return sorted(found, key=lambda field: not field.required)


def answered(fields: Sequence[OptionField], value_of: Callable[[str], str]) -> dict[str, str]:
    """The options that somebody gave; what was left empty is left out."""
    given = {}
    for field in fields:
        value = value_of(field.name)
        if field.kind is FieldKind.TRUTH:
            given[field.name] = "true" if value == "true" else "false"
        elif value:
            given[field.name] = value
    return given


def _field(name: str, rule: Mapping[str, Any], required: bool) -> OptionField:
    return OptionField(
        name,
        str(rule.get("title") or name)[:_LONGEST],
        str(rule.get("description") or "")[: 2 * _LONGEST],
        _kind(rule),
        required,
        _spelt(rule.get("default")),
        [_spelt(value) for value in rule["enum"]] if isinstance(rule.get("enum"), list) else (),
        _spelt(rule.get("minimum")),
        _spelt(rule.get("maximum")),
        rule.get("type") == "integer",
    )


def _kind(rule: Mapping[str, Any]) -> FieldKind:
    if isinstance(rule.get("enum"), list):
        return FieldKind.CHOICE
    if rule.get("type") == "boolean":
        return FieldKind.TRUTH
    if rule.get("type") in _NUMBERS:
        return FieldKind.NUMBER
    return FieldKind.SECRET if rule.get("writeOnly") is True or rule.get("format") == "password" else FieldKind.TEXT


def _spelt(value: object) -> str:
    """As somebody would type it."""
    if value is None or isinstance(value, dict | list):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
