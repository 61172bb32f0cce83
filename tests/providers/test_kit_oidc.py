"""Sign-on by OpenID Connect between the broker and a provider on the kit, with a browser that only follows redirects."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from sqlalchemy import update

from broker.accounts.models import User
from broker.app import create_app
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor, Context
from broker.web.sso import sign_on_url
from providers.kit.app import CurrentSession, create_provider_app
from providers.kit.manifest import load
from providers.kit.oidc import Marketplace, sign_on_pages
from providers.kit.secrets import ProviderKey
from providers.kit.sso import SignOnRefused
from providers.kit.store import ResourceStore
from tests.addons.conftest import MANIFEST, World, make_world
from tests.platform_api.conftest import settings
from tests.providers.partner import PASSWORD, SALT, provision_body, write_manifest
from tests.providers.test_kit import Shelf

BROKER = "http://127.0.0.1:5000"
API = {
    **MANIFEST["api"],  # type: ignore[dict-item]
    "password": PASSWORD,
    "sso_salt": SALT,
    "sso": "oidc",
    "sso_paths": ["/books"],
    "sso_redirect_uris": ["https://shelf.test/sso/callback"],
    "production": {"base_url": "https://shelf.test/heroku/resources", "sso_url": "https://shelf.test/sso/login"},
}


@dataclass
class Scene:
    world: World
    browser: httpx.AsyncClient
    addon: UUID

    async def link(self, path: str = "") -> str:
        app_id = (await self.world.read(self.addon)).app_id
        return sign_on_url(self.world.ctx, BROKER, self.world.user, self.addon, app_id, 300, path)

    async def open(self, path: str = "") -> httpx.Response:
        return await self.browser.get(await self.link(path), follow_redirects=True)

    async def until_callback(self) -> str:
        """The address with which the browser is sent back to the provider."""
        answer = await self.browser.get(await self.link())
        while "/sso/callback" not in answer.headers["location"]:
            answer = await self.browser.get(answer.headers["location"])
        return answer.headers["location"]


@pytest.fixture
async def scene(ctx: Context, alice: Actor, tmp_path: Path) -> AsyncIterator[Scene]:
    world = await make_world(ctx, alice)
    async with ctx.database.transaction() as tx:
        await tx.execute(update(User).where(User.id == alice.id).values(is_operator=True))
    await publish(ctx, parse({**MANIFEST, "api": API}), SYSTEM)
    addon = await world.provisioned()
    broker = httpx.ASGITransport(create_app(ctx, settings()))
    key, store = ProviderKey.load(tmp_path / "key"), ResourceStore(tmp_path / "resources.sqlite3")
    manifest = load(write_manifest(tmp_path, "store", ["SHELF_URL"], "SHELF"))
    shelf = create_provider_app(Shelf(key), (manifest,), store=store, key=key, title="Shelf", clock=ctx.clock.now)
    shelf.include_router(sign_on_pages(Marketplace(BROKER, broker), "https://shelf.test"))

    @shelf.get("/dashboard/{uuid}")
    @shelf.get("/dashboard/{uuid}/books")
    async def dashboard(session: CurrentSession) -> dict[str, str]:
        return {"id": session.user.id, "email": session.user.email}

    provider = httpx.ASGITransport(shelf)
    mounts = {"http://127.0.0.1": broker, "https://shelf.test": provider}
    async with shelf.router.lifespan_context(shelf), httpx.AsyncClient(mounts=mounts) as browser:
        body: dict[str, Any] = provision_body(addon.id)
        made = await browser.post("https://shelf.test/heroku/resources", json=body, auth=("store", PASSWORD))
        assert made.status_code == 201, made.text
        browser.cookies.clear()
        yield Scene(world, browser, addon.id)


async def test_a_click_ends_in_the_dashboard_as_the_user_that_the_marketplace_vouches_for(scene: Scene) -> None:
    answer = await scene.open()
    assert (answer.status_code, answer.url.path) == (200, f"/dashboard/{scene.addon}")
    assert answer.json() == {"id": str(scene.world.user.id), "email": "alice@example.com"}
    assert [one.status_code for one in answer.history] == [303] * 4


async def test_a_link_ends_where_it_leads(scene: Scene) -> None:
    answer = await scene.open("/books?page=2")
    assert (answer.url.path, answer.url.query) == (f"/dashboard/{scene.addon}/books", b"page=2")


async def test_a_sign_on_ends_in_the_browser_in_which_it_began_and_once(scene: Scene) -> None:
    back, begun = await scene.until_callback(), dict(scene.browser.cookies)
    scene.browser.cookies.clear()
    assert (await scene.browser.get(back)).status_code == 403
    scene.browser.cookies.set("sign_on_begun", begun["sign_on_begun"], domain="shelf.test", path="/sso")
    assert (await scene.browser.get(back)).status_code == 303
    scene.browser.cookies.set("sign_on_begun", begun["sign_on_begun"], domain="shelf.test", path="/sso")
    assert (await scene.browser.get(back)).status_code == 403


async def test_what_is_made_up_or_too_late_lets_nobody_in(scene: Scene) -> None:
    back = urlsplit(await scene.until_callback())
    asked = {name: values[0] for name, values in parse_qs(back.query).items()}
    page = f"{back.scheme}://{back.netloc}{back.path}"
    for changes in ({"code": "made-up"}, {"code": ""}, {"error": "access_denied"}, {"state": asked["state"] + "x"}):
        assert (await scene.browser.get(page, params={**asked, **changes})).status_code == 403
    forged = asked["state"].replace(".", "A.")
    scene.browser.cookies.set("sign_on_begun", forged, domain="shelf.test", path="/sso")
    assert (await scene.browser.get(page, params={**asked, "state": forged})).status_code == 403
    scene.world.ctx.clock.advance(seconds=601)
    scene.browser.cookies.set("sign_on_begun", asked["state"], domain="shelf.test", path="/sso")
    assert (await scene.browser.get(page, params=asked)).status_code == 403


async def test_another_issuer_is_not_believed(scene: Scene) -> None:
    begun = {"iss": "https://evil.example", "client_id": "1", "login_hint": "x"}
    assert (await scene.browser.get("https://shelf.test/sso/login", params=begun)).status_code == 403


OURS, THEIRS = (RSAKey.generate_key(2048, parameters={"kid": "1"}) for _ in range(2))
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CLAIMS = {"iss": BROKER, "aud": "us", "sub": "a-user", "addon": "an-add-on", "exp": int(NOW.timestamp()) + 60}


def saying(id_token: str) -> Marketplace:
    """A marketplace whose key is OURS, and that answers every code with this token."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return httpx.Response(200, json={"id_token": id_token})
        if request.url.path == "/keys":
            return httpx.Response(200, json={"keys": [OURS.as_dict(private=False)]})
        return httpx.Response(200, json={"token_endpoint": f"{BROKER}/token", "jwks_uri": f"{BROKER}/keys"})

    return Marketplace(BROKER, httpx.MockTransport(answer))


def signed(key: RSAKey | OctKey = OURS, alg: str = "RS256", **changes: object) -> str:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    return jwt.encode({"alg": alg, "kid": "1"}, claims, key, [alg])


async def test_a_sound_id_token_is_believed() -> None:
    assert (await saying(signed()).redeem({"client_id": "us"}, NOW))["sub"] == "a-user"


@pytest.mark.parametrize(
    "id_token",
    [
        signed(THEIRS),
        signed(OctKey.generate_key(256), "HS256"),
        signed(iss="https://evil.example"),
        signed(aud="somebody-else"),
        signed(exp=int(NOW.timestamp()) - 61),
        signed(exp=None),
        signed(sub=None),
        signed(addon=None),
        signed()[:-4] + "AAAA",
        "nonsense",
    ],
    ids=["key", "algorithm", "iss", "aud", "exp", "no-exp", "no-sub", "no-addon", "signature", "nonsense"],
)
async def test_an_id_token_with_anything_wrong_about_it_is_not(id_token: str) -> None:
    with pytest.raises(SignOnRefused):
        await saying(id_token).redeem({"client_id": "us"}, NOW)
