"""The world of the matrix at an address with https, and the browser of everybody in it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import httpx
from fastapi import FastAPI
from sqlalchemy import insert, select

from broker.accounts.cli_logins import begin_cli_login
from broker.accounts.models import User
from broker.accounts.team_models import TeamInvitation
from broker.accounts.tokens import token_hash
from broker.addons.models import AddonCredential
from broker.app import create_app
from broker.catalog.models import AddonService, ServiceReview
from broker.flags.models import FlagRow
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.ids import new_id
from broker.oauth.sessions import begin_session
from tests.addons.conftest import MANIFEST
from tests.matrix.requests import NAMES, Making, instead
from tests.matrix.routes import Key, every_page
from tests.matrix.test_matrix import filled
from tests.matrix.world import prepared
from tests.oauth.conftest import ISSUER, cookie_of, over_wire
from tests.platform_api.conftest import settings

PEOPLE: Final = {"alice": "owner", "bob": "collab", "mallory": "strang", "pat": "member", "olga": "operat"}
"""With the actor of the matrix that each is. Besides them, there is somebody who is not signed in."""
NOBODY: Final = "nobody"
_INVITED: Final = "an-invitation"
"""What every browser keeps of the link of an invitation to the team."""

_LISTING: Final = {
    "tagline": "a word",
    "description": "A *word* with [a link](https://docs.example.com/)",
    "docs": "# A word",
    "category": "data stores",
    "tags": ["word"],
    "docs_url": "https://docs.example.com/",
    "support_email": "help@example.com",
}
_FREE: Final = {**MANIFEST["plans"][0], "description": "a word", "features": {"rows": "a word"}}
_MORE: tuple[Making, ...] = (
    (
        "_",
        "member",
        "POST",
        "/api/v3/addons/store/manifests",
        {"contents": {**MANIFEST, "plans": [_FREE, *MANIFEST["plans"][1:]], "listing": _LISTING}},
    ),
    ("_", "owner", "PATCH", "/apps/shop/tags", {"tags": {"team": "growth"}}),
    (
        "_",
        "operat",
        "POST",
        "/billing/credits",
        {"email": "alice@example.com", "amount_minor": 100, "reason": "a word"},
    ),
    ("_", "operat", "POST", "/billing/invoices/{invoice}/disputes", {"reason": "a word"}),
    ("_", "owner", "PATCH", "/apps/shop/config-vars", {"GREETING": "hello"}),
)
"""Besides what the matrix asks about: whatever else somebody may have written a text in."""


@dataclass(frozen=True)
class Site:
    """The application, a browser each, and what stands for the parameters of paths."""

    app: FastAPI
    browsers: Mapping[str, httpx.AsyncClient]
    named: Mapping[str, str]

    def pages(self, method: str) -> list[Key]:
        """What browsers can ask for by this method."""
        return sorted(key for key in every_page(self.app) if key[0] == method)

    def address(self, key: Key) -> str:
        """Of the page about what there is; by ids, which stay when everything is called something else."""
        ids = {"app": self.named["shop_id"], "addon": self.named["addon_id"]}
        path: str = filled(key[1], NAMES | dict(self.named) | ids | _instead(key))
        return path


def _instead(key: Key) -> dict[str, Any]:
    return {name: "{other_id}" if value == "other" else value for name, value in instead(key).items()}


@asynccontextmanager
async def site(ctx: Context) -> AsyncIterator[Site]:
    async with prepared(ctx) as world, AsyncExitStack() as stack:
        for _, who, method, path, body in _MORE:
            answer = await world.clients[who].request(method, path.format(**world.named), json=body)
            assert answer.is_success, f"{method} {path}: {answer.text}"
        other = (await world.clients["owner"].get("/apps/other")).json()["id"]
        app = create_app(ctx, settings(public_url=ISSUER, rate_limit_per_hour=0, sign_up="open"))
        browsers = {name: await stack.enter_async_context(over_wire(app)) for name in (*PEOPLE, NOBODY)}
        for browser in browsers.values():
            browser.headers["accept"] = "text/html,*/*;q=0.8"
        for browser in browsers.values():
            browser.cookies["__Host-broker-invited"] = _INVITED
        for name in PEOPLE:
            browsers[name].cookies.update(cookie_of(await begin_session(ctx, await person(ctx, name), "a browser")))
        more = {"other_id": other, "login": (await begin_cli_login(ctx, "a word")).page.reveal()}
        await _kept_in_words(ctx, world.named)
        yield Site(app, browsers, {**world.named, **more})


async def _kept_in_words(ctx: Context, named: Mapping[str, str]) -> None:
    """Rows that none of these requests leaves behind, and that hold what people write all the same."""
    at, alice, olga = ctx.clock.now(), await person(ctx, "alice"), await person(ctx, "olga")
    async with ctx.database.transaction() as tx:
        service_id = (await tx.execute(select(AddonService.id).where(AddonService.slug == "store"))).scalar_one()
        switched = {"service": "store", "is_on": False, "changed_by_id": olga.id, "changed_by": olga.email}
        await tx.execute(insert(FlagRow).values(name="installs", reason="a word", changed_at=at, **switched))
        asked = {"wanted": "ga", "state": "refused", "checklist": [], "note": "a word", "requested_by": alice.id}
        asked |= {"requested_by_email": alice.email, "decided_by": olga.id, "decided_by_email": olga.email}
        row = {"id": new_id(), "service_id": service_id, "created_at": at, "decided_at": at}
        await tx.execute(insert(ServiceReview).values(**row, **asked))
        login = {"name": "word", "permission": "read_only", "state": "failed", "reason": "a word", "attempts": 1}
        login |= {"while_attached": False, "was_attached": False, "actor_id": alice.id, "actor_email": alice.email}
        row = {"id": new_id(), "addon_id": UUID(named["addon_id"]), "created_at": at, "updated_at": at}
        await tx.execute(insert(AddonCredential).values(**row, **login))
        team_id = (await tx.execute(select(User.id).where(User.team_name == "acme"))).scalar_one()
        asked = {
            "team_id": team_id,
            "email": "a@example.com",
            "role": "viewer",
            "state": "pending",
            "invited_by": alice.id,
        }
        asked |= {
            "token_hash": token_hash(_INVITED),
            "invited_by_email": alice.email,
            "expires_at": at + timedelta(days=1),
        }
        await tx.execute(insert(TeamInvitation).values(id=new_id(), created_at=at, updated_at=at, **asked))


async def person(ctx: Context, name: str) -> Actor:
    """Whoever is called that."""
    columns = (User.id, User.email, User.is_operator)
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(select(*columns).where(User.email == f"{name}@example.com"))).one()
    return Actor(row.id, row.email, frozenset({Scope.GLOBAL}), is_operator=row.is_operator)
