"""Members that several request bodies share, with the spellings that real clients use for them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from broker.addons.names import ADDON_PATTERN, ATTACHMENT_PATTERN
from broker.apps.names import PATTERN
from broker.faces.reading import storable as storable


def _name_of(value: Any) -> Any:
    """`"redis"`, `{"name": "redis"}` and `{"id": "..."}` all name the same thing."""
    if isinstance(value, dict):
        return next((value[key] for key in ("name", "id") if value.get(key) is not None), None)
    return value


def as_list(value: Any) -> Any:
    """`"a,b"` for `["a", "b"]`, as command lines send it."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _truth(value: Any) -> Any:
    """0 and 1 for false and true, as heroku3 sends them."""
    return bool(value) if type(value) is int and value in (0, 1) else value


def _text(value: Any) -> Any:
    """Numbers as text, as some clients send them."""
    return str(value) if type(value) is int and abs(value) < 10**18 else value


_NAMED_SCHEMA = {
    "oneOf": [
        {"type": "string"},
        {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    ]
}

Text = Annotated[str, Field(max_length=1000), AfterValidator(storable)]
"""A short text for a column."""
Named = Annotated[Text, BeforeValidator(_name_of), WithJsonSchema(_NAMED_SCHEMA)]
"""A reference: the name itself, or an object with `name` or `id`."""
AppName = Annotated[Text, Field(json_schema_extra={"pattern": f"^{PATTERN}$"})]
AddonName = Annotated[Text, Field(json_schema_extra={"pattern": f"^{ADDON_PATTERN}$"})]
AttachmentName = Annotated[Text, Field(json_schema_extra={"pattern": f"^{ATTACHMENT_PATTERN}$"})]
"""Names to be given: what does not match is refused by the domain, in its own words."""
Truth = Annotated[bool, BeforeValidator(_truth), WithJsonSchema({"enum": [True, False, 0, 1]})]
NumberText = Annotated[Text, BeforeValidator(_text), WithJsonSchema({"type": ["string", "integer"]})]
"""A number or a text that names something."""
