"""Scopes as OAuth spells them: parsing, what each allows in words, and narrowing. What the API scopes imply: `kernel/context.py`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from broker.kernel.context import Scope, reaches
from broker.kernel.ids import as_uuid

OPENID: Final = "openid"
EMAIL: Final = "email"
PROFILE: Final = "profile"
OFFLINE: Final = "offline_access"

SENTENCES: Final[dict[str, str]] = {
    Scope.GLOBAL: "Do everything that you can do yourself, except giving access to others.",
    Scope.IDENTITY: "See who you are: your e-mail address, your name and the id of your account.",
    Scope.READ: "See your apps, add-ons and releases, but not the values of config vars.",
    Scope.WRITE: "See your apps and add-ons, create, rename and destroy apps, but not see the values of config vars.",
    Scope.READ_PROTECTED: "See your apps, add-ons and releases with the values of config vars, such as passwords of databases.",
    Scope.WRITE_PROTECTED: (
        "Change everything on your apps: create and destroy apps and add-ons, at your expense, and see and set config vars."
    ),
    OPENID: "Sign you in with your account here.",
    EMAIL: "See your e-mail address.",
    PROFILE: "See your name.",
    OFFLINE: "Stay connected while you are away, until you take it back.",
}
"""What a user allows with each scope: the consent page says this, and so do the docs."""

LONGEST: Final = 4000
_APP: Final = "app:"
_DEFAULT: Final = (Scope.IDENTITY.value,)
_ORDER: Final = {name: place for place, name in enumerate(SENTENCES)}


class UnknownScope(Exception):
    """There is no such scope, or these do not go together."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What is asked for or was given: scopes by name, in the order of `SENTENCES`, and the apps that they are limited to."""

    names: tuple[str, ...]
    only_apps: frozenset[UUID] | None = None

    def text(self) -> str:
        """The `scope` parameter that spells it."""
        apps = sorted(f"{_APP}{app}" for app in self.only_apps or ())
        return " ".join([*self.names, *apps])

    def covers(self, other: Reach) -> bool:
        """Whether the other one goes nowhere beyond this."""
        held = api_scopes(self.names)
        named = all(name in self.names or (name in _API and reaches(held, Scope(name))) for name in other.names)
        return named and (self.only_apps is None or (other.only_apps is not None and other.only_apps <= self.only_apps))

    def within(self, limits: Reach) -> Reach:
        """The same, limited to the apps of `limits` where it names none itself."""
        return self if self.only_apps is not None else limited(self.names, limits.only_apps)


_API: Final = frozenset(scope.value for scope in Scope)


def api_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Those among the names that reach into the Platform API; the rest concern sign-in."""
    return frozenset(Scope(name) for name in names if name in _API)


def limited(names: Collection[str], apps: Collection[UUID] | None) -> Reach:
    """These scopes on these apps. `global` means the whole account: on single apps it becomes `write-protected`."""
    if apps is not None:
        names = {Scope.WRITE_PROTECTED.value if name == Scope.GLOBAL else name for name in names}
    return Reach(_sorted(names), None if apps is None else frozenset(apps))


def parsed(text: str | None) -> Reach:
    """What a `scope` parameter asks for; without one, `identity`.

    Raises: UnknownScope.
    """
    words = (text or "").split() or list(_DEFAULT)
    if sum(map(len, words)) > LONGEST:
        raise UnknownScope
    names = [word for word in words if not word.startswith(_APP)]
    apps = [as_uuid(word.removeprefix(_APP)) for word in words if word.startswith(_APP)]
    if not names or not set(names) <= SENTENCES.keys() or None in apps:
        raise UnknownScope
    return limited(names, [app for app in apps if app is not None] or None)


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names), key=_ORDER.__getitem__))
