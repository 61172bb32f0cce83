"""Who asks, and what a use case works with. Lives in the kernel so that everything below the faces may be audited."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from broker.kernel.clock import Clock, wall_of
from broker.kernel.db import Database
from broker.kernel.errors import Forbidden, NotFound
from broker.kernel.signals import Signals
from broker.kernel.vault import Vault


class Scope(StrEnum):
    """What a token may do. Source: the OAuth scopes of the Platform API."""

    GLOBAL = "global"
    IDENTITY = "identity"
    READ = "read"
    WRITE = "write"
    READ_PROTECTED = "read-protected"
    WRITE_PROTECTED = "write-protected"


_IMPLIED: Final[dict[Scope, frozenset[Scope]]] = {
    Scope.GLOBAL: frozenset(Scope),
    Scope.IDENTITY: frozenset({Scope.IDENTITY}),
    Scope.READ: frozenset({Scope.READ, Scope.IDENTITY}),
    Scope.WRITE: frozenset({Scope.WRITE, Scope.READ, Scope.IDENTITY}),
    Scope.READ_PROTECTED: frozenset({Scope.READ_PROTECTED, Scope.READ, Scope.IDENTITY}),
    Scope.WRITE_PROTECTED: frozenset(Scope) - {Scope.GLOBAL},
}


def reaches(held: Collection[Scope], wanted: Scope) -> bool:
    """Whether scopes that are held include one that is wanted, or imply it."""
    return any(wanted in _IMPLIED[scope] for scope in held)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody by id and e-mail address."""

    id: UUID
    email: str


@dataclass(frozen=True, slots=True)
class Actor:
    """A caller with what its token allows. `id` is the user's id; the broker itself acts as `SYSTEM`."""

    id: UUID
    email: str
    scopes: frozenset[Scope]
    authorization_id: UUID | None = None
    is_operator: bool = False
    """Whether it is one of those who run this installation."""
    only_apps: frozenset[UUID] | None = None
    """The apps that a resource-scoped token is good for, with the add-ons attached to them; None: all of the user's."""
    client_id: UUID | None = None
    """The OAuth client that holds the token; None: it is the user's own."""
    behind: Person | None = None
    """Who acts, if it is for a team: `id` and `email` are the team's then, whose account it is. See `acting_for_team`."""

    @property
    def by(self) -> Person:
        """The person who acts: whom records name."""
        return self.behind or Person(self.id, self.email)

    def require(self, scope: Scope) -> None:
        """Go on only if the token reaches `scope`.

        Raises: Forbidden, naming the scope that is missing.
        """
        if scope is Scope.GLOBAL:
            self.require_every_app()
        if not reaches(self.scopes, scope):
            raise Forbidden(f"This token lacks the scope `{scope}`; use one that has it.")

    def require_every_app(self) -> None:
        """Go on only if the token is good for all apps of its user: for what concerns the account as a whole.

        Raises: Forbidden.
        """
        if self.only_apps is not None:
            raise Forbidden("This token is limited to some apps; use one that is good for the whole account.")

    def require_own_token(self) -> None:
        """Go on only with a token that the user made: what an OAuth client holds makes no further tokens, which would outlive it.

        Raises: Forbidden; also for a token that is limited to some apps, or does not have every scope.
        """
        if self.client_id is not None or self.only_apps is not None:
            raise Forbidden("This is beyond the reach of a token that an OAuth client holds; use a token of your own.")
        self.require(Scope.GLOBAL)

    def require_operator(self) -> None:
        """Go on only for an operator, with a token that may do everything.

        Raises: NotFound for everybody else, to whom the door itself does not exist; Forbidden, naming the scope.
        """
        if not self.is_operator:
            raise NotFound("endpoint")
        self.require(Scope.GLOBAL)


SYSTEM: Final = Actor(UUID(int=0), "broker@localhost", frozenset({Scope.GLOBAL}))


@dataclass(frozen=True, slots=True)
class Rules:
    """What an installation demands of its users, by its settings."""

    paid_plans_need_verification: bool = False
    """Whether whoever pays must have a payment method: so where a payment gateway is set up."""
    public_url: str = ""
    """Where users reach the broker, for sentences that lead them to a page."""
    contact: str = ""
    """Where the operators are reached, for whom nothing else is left."""
    payout_hold: timedelta = timedelta(days=14)
    """How long a partner's share waits after it was collected, because money may have to go back."""
    payout_reserve_bp: int = 0
    """What is kept back of later shares for some months, in hundredths of a percent."""
    payout_minimum_minor: int = 2500
    """What is not worth paying out stays in the balance."""


@dataclass(frozen=True, slots=True)
class Context:
    """What every use case is given first. Built once per process by `wiring.py`."""

    database: Database
    clock: Clock
    vault: Vault
    signals: Signals
    rules: Rules = Rules()

    @property
    def wall(self) -> Clock:
        """The machine's clock, even where a test clock has been set forward: tokens, sessions and signatures go by it."""
        return wall_of(self.clock)
