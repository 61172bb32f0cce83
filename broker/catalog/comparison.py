"""Two versions of a manifest side by side, and what a push would change. Secrets are compared and never shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from broker.catalog.contents import BASE, MASK, Json, masked, with_base
from broker.catalog.members import Role, member_service
from broker.catalog.versions import VersionSummary, VersionView, newest_version, read_version
from broker.kernel.context import Actor, Context
from broker.kernel.errors import NotFound

_LONGEST: Final = 400
_OTHER: Final = f"{MASK} (another)"
_NAMES: Final = ("name", "id")
"""By which members of a list are told apart, so that one more plan does not look like a change of all."""


@dataclass(frozen=True, slots=True)
class Change:
    """One place that differs. None: it is not there; both are short texts, masks instead of secrets."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Compared:
    """A version with masks instead of its secrets, whoever asks, and how it differs from the one before."""

    version: VersionSummary
    contents: Json
    before: VersionSummary | None
    changes: tuple[Change, ...]


async def compare_versions(
    ctx: Context, actor: Actor, slug: str, key: str | None = None, against: str | None = None
) -> Compared | None:
    """A version, or the newest, against the one before it or the one named; for any member. None: nothing is kept yet.

    Whether a secret differs is told to those only who may see secrets.
    Raises: NotFound.
    """
    async with ctx.database.transaction() as tx:
        service = await member_service(tx, actor, slug, Role.DEVELOPER)
        if key is None and await newest_version(tx, ctx.vault, service) is None:
            return None
        version = await read_version(tx, ctx.vault, service, key)
        other = against or str(version.revision - 1)
        try:
            before = await read_version(tx, ctx.vault, service, other)
        except NotFound:
            if against is not None:
                raise
            before = None
    public = with_base(masked(version.contents)[0], version.revision)
    changes = differences(before.contents, version.contents) if before else ()
    return Compared(_summary(version), public, before and _summary(before), changes)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """How one manifest differs from another, in the order of the newer one."""
    (old, old_secrets), (new, new_secrets) = masked(before), masked(after)
    found = list(_differing("", _without_base(old), _without_base(new)))
    both = [path for path, secret in new_secrets.items() if path in old_secrets and old_secrets[path] != secret]
    return (*found, *(Change(path, MASK, _OTHER) for path in both))


def _without_base(contents: Mapping[str, Any]) -> Json:
    return {key: value for key, value in contents.items() if key != BASE}


def _differing(path: str, old: Any, new: Any) -> Iterator[Change]:
    if old == new:
        return
    if isinstance(old, list) and isinstance(new, list) and (by_name := _by_name(old, new)):
        old, new = by_name
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        yield Change(path or "/", _text(old), _text(new))
        return
    for key in dict.fromkeys([*new, *old]):
        below = f"{path}/{key}"
        if key not in new:
            yield Change(below, _text(old[key]), None)
        elif key not in old:
            yield Change(below, None, _text(new[key]))
        else:
            yield from _differing(below, old[key], new[key])


def _by_name(old: Sequence[Any], new: Sequence[Any]) -> tuple[Json, Json] | None:
    """Both lists by the names of their members, if every one of these has one of its own."""
    named: list[Json] = [{_name(item) or "": item for item in items} for items in (old, new)]
    if any("" in found or len(found) != len(items) for found, items in zip(named, (old, new), strict=True)):
        return None
    return named[0], named[1]


def _name(item: Any) -> str | None:
    if not isinstance(item, Mapping):
        return None
    return next((item[key] for key in _NAMES if isinstance(item.get(key), str)), None)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _summary(version: VersionView) -> VersionSummary:
    return VersionSummary(version.id, version.revision, version.pushed_by, version.created_at)
