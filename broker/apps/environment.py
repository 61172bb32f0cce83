"""What an environment may hold: names, sizes, owners. Pure; nothing is stored or sealed here."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from broker.kernel.errors import InvalidParams

VALUE_LIMIT_BYTES: Final = 64 * 1024
ENVIRONMENT_LIMIT_BYTES: Final = 256 * 1024
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Var:
    """One variable with its owner: an attachment, or the app itself (None)."""

    value: str = field(repr=False)
    attachment_id: UUID | None = None


Environment = Mapping[str, Var]


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """What one owner puts into the environment and takes out of it. Removing leaves alone what others own."""

    put: Mapping[str, str] = field(default_factory=dict, repr=False)
    remove: Collection[str] = ()
    attachment_id: UUID | None = None


def apply(before: Environment, changes: Iterable[ConfigChange]) -> dict[str, Var]:
    """The environment after the changes, in their order."""
    after = dict(before)
    for change in changes:
        for name in change.remove:
            if name in after and after[name].attachment_id == change.attachment_id:
                del after[name]
        after.update((name, Var(value, change.attachment_id)) for name, value in change.put.items())
    return after


def check_environment(environment: Mapping[str, str]) -> None:
    """Go on only if every name and value is acceptable and the whole fits.

    Units: sizes are counted in bytes of UTF-8, names and values together.
    Raises: InvalidParams, naming the variables and never quoting a value.
    """
    total = 0
    for name, value in environment.items():
        total += len(name) + _checked_size(name, value)
    if total > ENVIRONMENT_LIMIT_BYTES:
        raise InvalidParams(
            f"The config vars of an app may have {ENVIRONMENT_LIMIT_BYTES // 1024} KiB in all; these would have"
            f" {-(-total // 1024)} KiB."
        )


def _checked_size(name: str, value: str) -> int:
    if not _NAME.fullmatch(name):
        raise InvalidParams(
            f"Config var names have letters, digits and underscores and do not begin with a digit: {name[:100]!a} does not fit."
        )
    if "\0" in value:
        raise InvalidParams(f"{name}: a value cannot contain a NUL character.")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidParams(f"{name}: the value is not valid Unicode.") from None
    if size > VALUE_LIMIT_BYTES:
        raise InvalidParams(
            f"{name}: a value may have {VALUE_LIMIT_BYTES // 1024} KiB; this one has {-(-size // 1024)} KiB."
        )
    return size


def values(environment: Environment) -> dict[str, str]:
    """Names and values, sorted by name."""
    return {name: environment[name].value for name in sorted(environment)}
