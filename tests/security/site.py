"""The world of the matrix at an address with https, and the browser of everybody in it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx
from fastapi import FastAPI
from sqlalchemy import select

from broker.accounts.models import User
from broker.app import create_app
from broker.kernel.context import Actor, Context, Scope
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
        for name in PEOPLE:
            browsers[name].cookies.update(cookie_of(await begin_session(ctx, await person(ctx, name), "a browser")))
        yield Site(app, browsers, {**world.named, "other_id": other})


async def person(ctx: Context, name: str) -> Actor:
    """Whoever is called that."""
    columns = (User.id, User.email, User.is_operator)
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(select(*columns).where(User.email == f"{name}@example.com"))).one()
    return Actor(row.id, row.email, frozenset({Scope.GLOBAL}), is_operator=row.is_operator)
