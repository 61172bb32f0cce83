"""What the forms for tags ask for, of an app or of an account. Pure."""

from __future__ import annotations

from typing import Final

from broker.kernel.errors import InvalidParams
from broker.web.browser import Form

_SET: Final = "tag-"
_REMOVE: Final = "untag-"
"""Begin the names of fields about a tag that is there."""


def tag_changes(sent: Form) -> dict[str, str | None]:
    """What a form asks for: values of tags that are there, those to be removed, and a new one.

    Raises: InvalidParams.
    """
    kept = {name.removeprefix(_SET): sent.one(name).strip() for name in sent.fields if name.startswith(_SET)}
    gone = {name.removeprefix(_REMOVE): None for name in sent.fields if name.startswith(_REMOVE)}
    name, value = wanted_tag(sent)
    if value and not name:
        raise InvalidParams("A value came without the name of a tag. Nothing was changed.")
    return {**kept, **gone, **({name: value} if name else {})}


def wanted_tag(sent: Form | None) -> tuple[str, str]:
    """The new one, as it was typed."""
    return (sent.one("newtag").strip(), sent.one("newvalue").strip()) if sent else ("", "")
