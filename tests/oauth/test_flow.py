"""Third parties that behave: consent, tokens, what they reach, refresh, and the end."""

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import func, select

from broker.accounts.authenticate import authenticate
from broker.accounts.models import Authorization
from broker.apps.create import CreateApp, create_app
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.secret import Secret
from broker.oauth.clients import ClientWishes, change_client, create_client
from broker.oauth.grants import ACCESS_TYPE, EXCHANGE
from broker.oauth.models import OAuthCode, OAuthRefreshToken
from broker.oauth.sessions import begin_session
from tests.domain import StoppedClock
from tests.oauth.conftest import CALLBACK, EMAIL, ISSUER, Browser, ThirdParty, cookie_of, query_of, refused


async def test_a_user_lets_a_program_read_and_it_reads_no_values(
    tool: ThirdParty, browser: Browser, ctx: Context, ann: Actor
) -> None:
    await create_app(ctx, ann, CreateApp("shop"))
    page = await browser.http.get(tool.url("read"))
    assert "Let Tool use your account?" in page.text
    assert "See your apps, add-ons and releases, but not the values of config vars." in page.text
    assert "tool.example.com" in page.text
    back = await browser.decide(tool.url("read"))
    assert back.headers["location"].startswith(f"{CALLBACK}&code=")
    answer = query_of(back.headers["location"])
    assert (answer["state"], answer["iss"], answer["via"]) == ("st&te", ISSUER, "broker")
    given = (await tool.redeem(answer["code"])).json()
    assert (given["token_type"], given["expires_in"], given["scope"]) == ("Bearer", 28800, "read")
    assert given["access_token"].startswith("HRKU-T-")
    assert given["refresh_token"].startswith("HRKU-R-")
    assert (await tool.get("/apps/shop", given["access_token"])).status_code == 200
    assert (await tool.get("/apps/shop/config-vars", given["access_token"])).status_code == 403
    assert (await tool.get("/oauth/authorizations", given["access_token"])).status_code == 403


async def test_a_protected_scope_reads_values(tool: ThirdParty, browser: Browser, ctx: Context, ann: Actor) -> None:
    await create_app(ctx, ann, CreateApp("shop"))
    given = await tool.tokens(browser, "read-protected")
    assert (await tool.get("/apps/shop/config-vars", given["access_token"])).json() == {}


async def test_a_user_denies_and_the_program_is_told(tool: ThirdParty, browser: Browser) -> None:
    back = await browser.decide(tool.url(), decision="deny")
    answer = query_of(back.headers["location"])
    assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", "st&te", ISSUER)
    assert "code" not in answer


async def test_the_same_is_not_asked_twice_but_more_is(tool: ThirdParty, browser: Browser) -> None:
    await tool.tokens(browser, "write")
    again = await browser.http.get(tool.url("read"))
    assert "code" in query_of(again.headers["location"])
    assert (await browser.http.get(tool.url("read", prompt="consent"))).status_code == 200
    assert (await browser.http.get(tool.url("read-protected"))).status_code == 200


async def test_a_public_client_is_asked_for_every_time(native: ThirdParty, browser: Browser) -> None:
    await native.tokens(browser)
    assert (await browser.http.get(native.url())).status_code == 200


async def test_what_was_taken_back_is_asked_for_again(tool: ThirdParty, browser: Browser) -> None:
    given = await tool.tokens(browser)
    await tool.http.post("/oauth/revoke", data={"token": given["refresh_token"]}, auth=tool.basic or ())
    assert (await tool.get("/account", given["access_token"])).status_code == 401
    assert (await browser.http.get(tool.url())).status_code == 200


async def test_a_program_without_secret_proves_itself_by_the_verifier_alone(
    native: ThirdParty, browser: Browser
) -> None:
    given = await native.tokens(browser)
    assert (await native.get("/account", given["access_token"])).json()["email"] == EMAIL
    renewed = await native.refresh(given["refresh_token"])
    assert renewed.status_code == 200


async def test_a_program_with_a_scheme_of_its_own_is_called_back_by_it(
    ctx: Context, wire: httpx.AsyncClient, maker: Actor, browser: Browser
) -> None:
    own = "com.example.weather:/callback"
    party = ThirdParty(wire, await create_client(ctx, maker, ClientWishes("Weather", [own], public=True)), own)
    page = await browser.http.get(party.url())
    assert "form-action 'self' com.example.weather:;" in page.headers["content-security-policy"]
    back = await browser.decide(party.url())
    assert back.headers["location"].startswith(f"{own}?code=")
    assert (await party.redeem(query_of(back.headers["location"])["code"])).status_code == 200


async def test_refreshing_replaces_both_tokens(tool: ThirdParty, browser: Browser, clock: StoppedClock) -> None:
    given = await tool.tokens(browser)
    clock.advance(hours=8)
    assert (await tool.get("/account", given["access_token"])).status_code == 401
    renewed = (await tool.refresh(given["refresh_token"])).json()
    assert renewed["refresh_token"] != given["refresh_token"]
    assert (await tool.get("/account", renewed["access_token"])).status_code == 200
    assert (await tool.refresh(renewed["refresh_token"])).status_code == 200


async def test_a_lost_answer_to_a_refresh_can_be_asked_for_again(
    tool: ThirdParty, browser: Browser, clock: StoppedClock
) -> None:
    given = await tool.tokens(browser)
    await tool.refresh(given["refresh_token"])
    clock.advance(seconds=10)
    again = (await tool.refresh(given["refresh_token"])).json()
    assert (await tool.get("/account", again["access_token"])).status_code == 200
    assert (await tool.refresh(again["refresh_token"])).status_code == 200


async def test_an_authorization_that_nobody_refreshes_ends(
    tool: ThirdParty, browser: Browser, clock: StoppedClock
) -> None:
    given = await tool.tokens(browser)
    clock.advance(days=90)
    assert refused(await tool.refresh(given["refresh_token"])) == (400, "invalid_grant")


async def test_apps_that_the_user_chooses_limit_the_token(
    tool: ThirdParty, browser: Browser, ctx: Context, ann: Actor
) -> None:
    shop = await create_app(ctx, ann, CreateApp("shop"))
    await create_app(ctx, ann, CreateApp("blog"))
    given = await tool.tokens(browser, "global", apps="chosen", app=[str(shop.id)])
    assert given["scope"] == f"write-protected app:{shop.id}"
    actor = await authenticate(ctx, Secret(given["access_token"]))
    assert (actor.only_apps, actor.scopes) == (frozenset({shop.id}), {Scope.WRITE_PROTECTED})


async def test_a_program_can_ask_for_single_apps_by_scope(
    tool: ThirdParty, browser: Browser, ctx: Context, ann: Actor
) -> None:
    shop = await create_app(ctx, ann, CreateApp("shop"))
    blog = await create_app(ctx, ann, CreateApp("blog"))
    page = await browser.http.get(tool.url(f"read app:{shop.id}"))
    assert "shop" in page.text
    assert "blog" not in page.text
    given = await tool.tokens(browser, f"read app:{shop.id}")
    assert (await authenticate(ctx, Secret(given["access_token"]))).only_apps == {shop.id}
    narrower = await tool.refresh(given["refresh_token"], scope=f"read app:{blog.id}")
    assert refused(narrower) == (400, "invalid_scope")


async def test_a_refresh_may_ask_for_less_and_later_for_all_again(tool: ThirdParty, browser: Browser) -> None:
    given = await tool.tokens(browser, "write-protected")
    less = (await tool.refresh(given["refresh_token"], scope="read")).json()
    assert less["scope"] == "read"
    assert (await tool.get("/apps", less["access_token"])).status_code == 200
    made = await tool.http.post("/apps", headers={"authorization": f"Bearer {less['access_token']}"})
    assert made.status_code == 403
    assert (await tool.get("/apps", given["access_token"])).status_code == 401
    assert (await tool.refresh(less["refresh_token"])).json()["scope"] == "write-protected"


async def test_a_client_acts_for_itself_as_far_as_its_owner_has_set(
    tool: ThirdParty, ctx: Context, maker: Actor
) -> None:
    assert refused(await tool.ask_tokens(grant_type="client_credentials")) == (400, "unauthorized_client")
    await change_client(ctx, maker, tool.id, ClientWishes(own_scopes=["read"]))
    given = (await tool.ask_tokens(grant_type="client_credentials")).json()
    assert "refresh_token" not in given
    assert (await tool.get("/account", given["access_token"])).json()["email"] == "maker@example.com"
    wider = await tool.ask_tokens(grant_type="client_credentials", scope="write")
    assert refused(wider) == (400, "invalid_scope")


async def test_a_token_is_exchanged_for_one_that_reaches_less_and_ends_with_it(
    tool: ThirdParty, browser: Browser, ctx: Context, ann: Actor
) -> None:
    shop = await create_app(ctx, ann, CreateApp("shop"))
    given = await tool.tokens(browser, "write-protected")
    asked = {"grant_type": EXCHANGE, "subject_token": given["access_token"], "subject_token_type": ACCESS_TYPE}
    less = (await tool.ask_tokens(**asked, scope=f"read app:{shop.id}")).json()
    assert (less["issued_token_type"], less["expires_in"]) == (ACCESS_TYPE, 3600)
    assert less["scope"] == f"read app:{shop.id}"
    actor = await authenticate(ctx, Secret(less["access_token"]))
    assert (actor.only_apps, actor.scopes) == ({shop.id}, {Scope.READ})
    await tool.http.post("/oauth/revoke", data={"token": given["access_token"]}, auth=tool.basic or ())
    assert (await tool.get("/account", less["access_token"])).status_code == 401


async def test_signing_in_gives_an_id_token_that_the_published_key_verifies(
    tool: ThirdParty, browser: Browser, ann: Actor
) -> None:
    back = await browser.decide(tool.url("openid email", nonce="n-1"))
    given = (await tool.redeem(query_of(back.headers["location"])["code"])).json()
    assert "refresh_token" not in given, "signing in is over when it is done"
    keys = KeySet.import_key_set((await tool.http.get("/oauth/jwks")).json())
    assert "d" not in (await tool.http.get("/oauth/jwks")).text.split('"')
    token = jwt.decode(given["id_token"], keys, algorithms=["RS256"])
    claims = token.claims
    assert (claims["iss"], claims["aud"], claims["sub"]) == (ISSUER, tool.id, str(ann.id))
    assert (claims["nonce"], claims["email"], claims["email_verified"]) == ("n-1", EMAIL, True)
    assert claims["exp"] - claims["iat"] == 3600
    told = (await tool.get("/oauth/userinfo", given["access_token"])).json()
    assert told == {"sub": str(ann.id), "email": EMAIL, "email_verified": True}
    assert (await tool.get("/account", given["access_token"])).status_code == 403


async def test_signing_in_for_longer_is_asked_for(tool: ThirdParty, browser: Browser) -> None:
    given = await tool.tokens(browser, "openid offline_access")
    assert (await tool.refresh(given["refresh_token"])).status_code == 200
    assert (await tool.get("/oauth/userinfo", (await tool.tokens(browser))["access_token"])).status_code == 403


@pytest.mark.usefixtures("password")
async def test_prompts_are_honoured(
    tool: ThirdParty, browser: Browser, wire: httpx.AsyncClient, clock: StoppedClock
) -> None:
    silent = query_of((await wire.get(tool.url(prompt="none"))).headers["location"])
    assert (silent["error"], silent["iss"]) == ("login_required", ISSUER)
    silent = query_of((await browser.http.get(tool.url(prompt="none"))).headers["location"])
    assert silent["error"] == "consent_required"
    clock.advance(minutes=1)
    for asked in ({"prompt": "login"}, {"max_age": "10"}):
        location = (await browser.http.get(tool.url(**asked))).headers["location"]
        assert location.startswith("/login?next=%2Foauth%2Fauthorize")
    await browser.sign_in()
    assert (await browser.http.get(tool.url(prompt="login", max_age="0"))).status_code == 200
    both = query_of((await browser.http.get(tool.url(prompt="none login"))).headers["location"])
    assert both["error"] == "invalid_request"


async def test_introspection_tells_a_client_of_its_own_tokens(tool: ThirdParty, browser: Browser) -> None:
    given = await tool.tokens(browser)
    for name, kind in (("access_token", "Bearer"), ("refresh_token", "refresh_token")):
        told = await tool.http.post("/oauth/introspect", data={"token": given[name]}, auth=tool.basic or ())
        assert (told.json()["active"], told.json()["scope"], told.json()["token_type"]) == (True, "read", kind)
    for unknown in ("HRKU-anns-own", "nonsense"):
        told = await tool.http.post("/oauth/introspect", data={"token": unknown}, auth=tool.basic or ())
        assert told.json() == {"active": False}


@pytest.mark.parametrize("path", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"])
async def test_the_server_describes_itself(wire: httpx.AsyncClient, path: str) -> None:
    told = (await wire.get(path)).json()
    assert told["issuer"] == ISSUER
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert "none" not in told["id_token_signing_alg_values_supported"]
    for name in ("jwks_uri", "userinfo_endpoint", "token_endpoint", "revocation_endpoint", "introspection_endpoint"):
        answer = await wire.get(told[name].removeprefix(ISSUER))
        assert answer.status_code != 404, name


async def test_every_scope_has_a_sentence_of_its_own_on_the_page(tool: ThirdParty, browser: Browser) -> None:
    described = (await tool.http.get("/.well-known/openid-configuration")).json()["scopes_supported"]
    page = await browser.http.get(tool.url(" ".join(described)))
    assert page.text.count("<li>") == len(described) == 10


async def test_what_ended_long_ago_is_forgotten_and_what_lives_is_not(
    tool: ThirdParty, browser: Browser, clock: StoppedClock, ctx: Context, ann: Actor
) -> None:
    async def counted() -> list[int]:
        async with ctx.database.transaction() as tx:
            return [
                (await tx.execute(select(func.count()).select_from(table))).scalar_one()
                for table in (OAuthCode, OAuthRefreshToken, Authorization)
            ]

    dead, living = await tool.tokens(browser), await tool.tokens(browser)
    await tool.http.post("/oauth/revoke", data={"token": dead["access_token"]}, auth=tool.basic or ())
    living = (await tool.refresh(living["refresh_token"])).json()
    assert await counted() == [2, 3, 2]
    clock.advance(days=31)
    browser.http.cookies.update(cookie_of(await begin_session(ctx, ann, "Firefox")))
    await tool.tokens(browser)
    assert await counted() == [1, 3, 2]
    assert (await tool.refresh(living["refresh_token"])).status_code == 200
