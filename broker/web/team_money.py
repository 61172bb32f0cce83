"""Whose money a page of money is about: one's own, or that of the team that its address names. The pages are the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from fastapi import Request, Response
from starlette.routing import Route

from broker.accounts.teams import TeamView, acting_for_team, get_team
from broker.kernel.context import Context
from broker.oauth.sessions import SignedIn
from broker.web.door import ForBrowsers

OWN: Final = "/account"
OF_TEAM: Final = "/teams/{team}"


@dataclass(frozen=True, slots=True)
class Purse:
    """A team whose money somebody looks after."""

    person: SignedIn
    team: TeamView


def both(path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> tuple[Route, Route]:
    """A page at both addresses, where the API answers at that of one's own, too."""
    own, of_team = OWN + path, OF_TEAM + path
    return (
        ForBrowsers(own, endpoint, methods=["GET"], include_in_schema=False),
        Route(of_team, endpoint, methods=["GET"], include_in_schema=False),
    )


async def with_purse(request: Request, seen: SignedIn) -> SignedIn:
    """Whoever is signed in, acting with the money that the page is about.

    Raises: NotFound for those who are not in the team, Forbidden for roles without a say in its money.
    """
    key = request.path_params.get("team")
    if key is None:
        return seen
    ctx: Context = request.app.state.ctx
    acting = await acting_for_team(ctx, seen.actor, key)
    request.state.purse = Purse(seen, await get_team(ctx, seen.actor, key))
    return replace(seen, actor=acting)


def purse_of(request: Request) -> Purse | None:
    """The team whose money the page is about, once that is known; None: the money is one's own."""
    found: Purse | None = getattr(request.state, "purse", None)
    return found


def money_address(request: Request, rest: str) -> str:
    """The same part of the pages of money that this page is one of."""
    key = request.path_params.get("team")
    return OWN + rest if key is None else f"/teams/{quote(key, safe='')}{rest}"
