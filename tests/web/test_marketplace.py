"""The public pages as they come over the wire: what they show, hide, escape, and let be kept."""

import base64
import hashlib
import json
import re
import struct
from collections.abc import AsyncIterator
from html import unescape
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from sqlalchemy import update

from broker.app import create_app
from broker.catalog.faults import ManifestFaults
from broker.catalog.models import AddonService
from broker.kernel.context import Actor, Context
from broker.oauth.sessions import begin_session
from broker.web.assets import STATIC
from broker.web.pages import page
from tests.catalog.shelf import manifest, paid, stock
from tests.oauth.conftest import EMAIL, ISSUER, ann, cookie_of, over_wire
from tests.platform_api.conftest import settings

__all__ = ["ann"]
PUBLIC = ("/", "/search", "/search?q=mail", "/categories/email", "/marketplace/mailbird", "/marketplace/mailbird/docs")
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*191}}\u202e"


@pytest.fixture
async def http(ctx: Context) -> AsyncIterator[httpx.AsyncClient]:
    await stock(ctx)
    async with over_wire(create_app(ctx, settings(public_url=ISSUER))) as client:
        client.headers["accept"] = "text/html,*/*;q=0.8"
        yield client


def png(width: int, height: int) -> bytes:
    """A picture, as far as anybody looks at it here."""
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + bytes(100)


def evil(text: str) -> dict[str, Any]:
    """A manifest that says the same wherever a provider may say something."""
    listing = {
        "description": f"{text}\n\n# {text}\n\n[a](javascript:alert(1)) [b](/logout) ![c](https://evil.example/c.png) <b>x</b>",
        "docs": f"| {text} |\n|:-:|\n| {text} |\n\n```{text}\n{text}\n```\n<javascript:alert(1)> [d](data:text/html,x)",
        "tags": [text[:40]],
        "category": text[:40],
        "docs_url": "https://docs.example.com/?a=%22%3E",
        "support_email": "a@b.example",
    }
    meters = [{"name": "calls", "label": text[:90], "unit": text[:90], "unit_price": "1"}]
    plans = [
        {"name": "one", "human_name": text, "description": text, "price_cents": 100, "features": {text: text}},
        {"name": "two", "price_cents": 0, "meters": meters},
    ]
    return manifest("evil-db", text, text, listing=listing, plans=plans, capabilities=["usage"])


async def test_nothing_that_a_provider_says_becomes_markup(http: httpx.AsyncClient, ctx: Context) -> None:
    text = HOSTILE.replace("\u202e", "")
    await stock(ctx, evil(text))
    for path in ("/", "/search?q=evil", "/marketplace/evil-db", "/marketplace/evil-db/docs", "/sitemap.xml"):
        answer = await http.get(path)
        assert answer.status_code == 200, path
        for mark in (
            "<script>alert",
            "<img src=x",
            "onerror=alert(1)>",
            "<b>x",
            'href="javascript',
            'href="data',
            "1337",
        ):
            assert mark not in answer.text, (path, mark)
        assert 'style="' not in answer.text
        assert "evil.example/c.png" not in answer.text
    page_ = (await http.get("/marketplace/evil-db")).text
    assert text in unescape(page_)
    assert (
        json.loads(re.findall(r'<script type="application/ld\+json">(.*?)</script>', page_, re.DOTALL)[0])["name"]
        == text
    )


async def test_nothing_that_a_visitor_types_becomes_markup(http: httpx.AsyncClient) -> None:
    answer = await http.get("/search", params={"q": HOSTILE, "category": HOSTILE, "price": HOSTILE, "page": "٣"})
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "<img src=x" not in answer.text
    for params in ({"q": "x" * 20_000}, {"q": "a\0b"}, {"page": "999"}, {"page": "-1"}, {"sort": "x"}, {"region": "*"}):
        assert (await http.get("/search", params=params)).status_code == 200
    for path in ("/marketplace/%00", "/marketplace/..%2f", "/categories/<b>", "/marketplace/" + "x" * 5000):
        answer = await http.get(path)
        assert answer.status_code == 404
        assert "There is no such page" in answer.text


async def test_pages_hold_to_a_strict_policy_and_name_no_other_host(http: httpx.AsyncClient) -> None:
    for path in PUBLIC:
        answer = await http.get(path)
        policy = answer.headers["content-security-policy"]
        for rule in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
            assert f"{rule};" in f"{policy};", path
        assert "unsafe" not in policy
        loaded = re.findall(r'(?:src|href)="(https?://[^"]+)"', answer.text)
        assert [url for url in loaded if not url.startswith(ISSUER)] == []
        assert answer.headers["x-frame-options"] == "DENY"
        assert not re.search(r'\s(?:style|on\w+)="', answer.text)


async def test_pages_say_what_they_are(http: httpx.AsyncClient) -> None:
    titles = set()
    for path in PUBLIC:
        text = (await http.get(path)).text
        titles.add(re.findall(r"<title>(.*?)</title>", text)[0])
        assert text.count("<h1") == 1
        if "q=" in path:
            assert '<meta name="robots" content="noindex">' in text
        else:
            assert f'<link rel="canonical" href="{ISSUER}{path}">' in text
            assert '<meta name="description"' in text
    assert len(titles) == len(PUBLIC)


async def test_what_has_not_changed_is_not_sent_again(http: httpx.AsyncClient, ctx: Context) -> None:
    first = await http.get("/marketplace/mailbird")
    assert first.headers["cache-control"] == "public, max-age=60"
    assert first.headers["vary"] == "cookie, accept-encoding"
    held = {"if-none-match": f'"other", W/{first.headers["etag"]}'}
    again = await http.get("/marketplace/mailbird", headers=held)
    assert (again.status_code, again.content) == (304, b"")
    await stock(ctx, manifest("mailbird", "Mailbird", "Now with stamps", plans=paid(1000)))
    changed = await http.get("/marketplace/mailbird", headers=held)
    assert (changed.status_code, "Now with stamps" in changed.text) == (200, True)


async def test_what_everybody_may_see_is_compressed_and_what_one_alone_sees_is_not(
    http: httpx.AsyncClient, ctx: Context, ann: Actor
) -> None:
    squeezed, plain = {"accept-encoding": "br, gzip;q=0.5"}, {"accept-encoding": "gzip;q=0, identity"}
    style = re.findall(r'"(/static/style.css[^"]+)"', (await http.get("/")).text)[0]
    for path in ("/", "/search?q=mail", "/marketplace/mailbird", "/sitemap.xml", style):
        short, long = await http.get(path, headers=squeezed), await http.get(path, headers=plain)
        assert (short.headers["content-encoding"], "content-encoding" in long.headers) == ("gzip", False), path
        assert short.content == long.content, path
        assert int(short.headers["content-length"]) < len(long.content) / 2, path
        assert short.headers["etag"] != long.headers["etag"], "they are other bytes"
        assert "accept-encoding" in short.headers["vary"]
        assert short.headers["cache-control"] == long.headers["cache-control"]
    again = await http.get("/", headers={**squeezed, "if-none-match": (await http.get("/")).headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    http.cookies.update(cookie_of(await begin_session(ctx, ann, "test")))
    for path in ("/", "/search?q=mail", "/dashboard"):
        assert "content-encoding" not in (await http.get(path, headers=squeezed)).headers, path


async def test_who_is_signed_in_is_never_kept_for_others(http: httpx.AsyncClient, ctx: Context, ann: Actor) -> None:
    public = (await http.get("/")).text
    assert 'href="/login"' in public
    http.cookies.update(cookie_of(await begin_session(ctx, ann, "test")))
    answer = await http.get("/")
    assert answer.headers["cache-control"] == "private, no-cache"
    assert 'href="/logout"' in answer.text
    assert EMAIL not in answer.text
    assert 'href="/login"' not in answer.text


async def test_only_what_is_listed_is_there(http: httpx.AsyncClient, ctx: Context, ann: Actor) -> None:
    hidden = [*paid(900), {"name": "hush", "human_name": "Walrus", "price_cents": 0, "state": "hidden"}]
    await stock(ctx, manifest("quiet-db", "Quiet", "Some plans", plans=hidden))
    await stock(ctx, manifest("zebra-db", "Zebra", "Stripes"), state="alpha")
    for path in ("/", "/search", "/search?q=zebra", "/sitemap.xml", "/marketplace/quiet-db"):
        text = (await http.get(path)).text
        assert "Zebra" not in text
        assert "zebra-db" not in text
        assert "Walrus" not in text
    for path in ("/marketplace/zebra-db", "/marketplace/zebra-db/docs"):
        assert (await http.get(path)).status_code == 404
    async with ctx.database.transaction() as tx:
        await tx.execute(update(AddonService).where(AddonService.slug == "quiet-db").values(state="shutdown"))
    assert (await http.get("/marketplace/quiet-db")).status_code == 404
    http.cookies.update(cookie_of(await begin_session(ctx, ann, "test")))
    assert (await http.get("/marketplace/zebra-db")).status_code == 404


async def test_a_listing_tells_what_somebody_has_to_know(http: httpx.AsyncClient) -> None:
    text = (await http.get("/marketplace/pg-cloud")).text
    for told in (
        "Cloud Postgres", "PostgreSQL databases with backups", "Shareable across apps", "Multiple installs per app",
        "$15/month", "about $0.021/hour", "$200/month", "10 GB", "US, EU", "PG_CLOUD_URL", "broker addons:add pg-cloud",
        'href="/install/pg-cloud"', 'href="/categories/data-stores"',
    ):  # fmt: skip
        assert told in text
    answer = await http.get("/install/pg-cloud")
    assert answer.headers["location"] == "/login?next=%2Finstall%2Fpg-cloud"


async def test_a_listing_that_says_next_to_nothing_is_a_page_all_the_same(
    http: httpx.AsyncClient, ctx: Context
) -> None:
    bare = manifest("bare", "Bare", "", api={"config_vars": []}, plans=[{"name": "one", "price_cents": 0}])
    await stock(ctx, {name: value for name, value in bare.items() if name != "listing"})
    page = (await http.get("/marketplace/bare")).text
    assert "<h1><bdi>Bare</bdi></h1>" in page
    assert "Sets config vars" not in page
    for told in ("None", "undefined", "[]", "{}"):
        assert told not in re.sub(r"<head>.*?</head>", "", page, flags=re.DOTALL), told
    for path in ("/marketplace/bare/docs", "/marketplace/bare/logo", "/search?q=bare"):
        assert (await http.get(path)).status_code == 200, path


async def test_whatever_is_typed_is_answered(http: httpx.AsyncClient) -> None:
    odd = ("%00", "%", "_%25_", "'%20or%201=1--", "%E2%80%AE%D7%A9", "x" * 9000, "!%3F.", "%FF%FE", "a%0d%0ab")
    for typed in odd:
        answer = await http.get(f"/search?q={typed}&page=%00&feature=%00&region={typed}&price={typed}&sort={typed}")
        assert (answer.status_code, "\r" in answer.headers["hx-replace-url"]) == (200, False), typed


async def test_choices_are_in_the_form_and_in_the_addresses(http: httpx.AsyncClient) -> None:
    text = (await http.get("/search?free=1&region=tokyo&sort=price&price=10&category=caching")).text
    assert '<option value="tokyo" selected>' in text
    assert '<option value="caching" selected>' in text
    assert 'name="free" value="1" checked' in text
    assert "1 add-on." in text
    assert "No add-on was found." in (await http.get("/search?q=elephants")).text
    assert "taken for" in (await http.get("/search?q=postgrse")).text


async def test_programs_find_every_page_and_are_told_which_are_not_for_them(http: httpx.AsyncClient) -> None:
    tree = ElementTree.fromstring((await http.get("/sitemap.xml")).content)
    found = [place.text for place in tree.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]
    assert f"{ISSUER}/" in found
    for url in found:
        assert url is not None
        assert (await http.get(url.removeprefix(ISSUER))).status_code == 200
    robots = (await http.get("/robots.txt")).text
    assert f"Sitemap: {ISSUER}/sitemap.xml" in robots
    assert "Disallow: /operator/" in robots


async def test_every_service_has_a_picture(http: httpx.AsyncClient) -> None:
    for path, letters in (("/marketplace/pg-cloud/logo", "PC"), ("/marketplace/%3Cscript%3E/logo", "Sc")):
        answer = await http.get(path)
        assert answer.headers["content-type"] == "image/svg+xml"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert f">{letters}</text>" in answer.text
        assert "script" not in answer.text
        ElementTree.fromstring(answer.text)


async def test_a_manifest_brings_its_own_picture_if_it_is_one(http: httpx.AsyncClient, ctx: Context) -> None:
    def with_logo(kind: str, content: bytes) -> dict[str, Any]:
        listing = {"logo": f"data:{kind};base64,{base64.b64encode(content).decode()}"}
        return manifest("drawn-db", "Drawn", "With a picture", listing=listing)

    picture = png(96, 96)
    await stock(ctx, with_logo("image/png", picture))
    (address,) = re.findall(r'src="(/marketplace/drawn-db/logo[^"]*)"', (await http.get("/marketplace/drawn-db")).text)
    answer = await http.get(address)
    assert (answer.headers["content-type"], answer.content) == ("image/png", picture)
    assert answer.headers["x-content-type-options"] == "nosniff"
    for kind, content in (
        ("image/svg+xml", b"<svg onload='alert(1)'/>"), ("image/png", b"<script>"), ("image/png", picture + bytes(70_000)),
        ("image/png", png(60_000, 60_000)),
    ):  # fmt: skip
        with pytest.raises(ManifestFaults):
            await stock(ctx, with_logo(kind, content))
    await stock(ctx, manifest("drawn-db", "Drawn", "Without one"))
    assert "svg" in (await http.get("/marketplace/drawn-db/logo")).headers["content-type"]
    await stock(ctx, with_logo("image/png", picture))
    for state, kind in (("sunset", "image/png"), ("shutdown", "image/svg+xml"), ("alpha", "image/svg+xml")):
        async with ctx.database.transaction() as tx:
            await tx.execute(update(AddonService).where(AddonService.slug == "drawn-db").values(state=state))
        assert (await http.get("/marketplace/drawn-db/logo")).headers["content-type"] == kind, state


async def test_an_empty_marketplace_says_what_to_do(ctx: Context) -> None:
    async with over_wire(create_app(ctx, settings(public_url=ISSUER))) as client:
        assert "The marketplace is empty so far" in (await client.get("/")).text
        assert "Nobody has published anything of this kind" in (await client.get("/categories/email")).text


async def test_files_of_ours_are_good_for_ever_under_their_sum(http: httpx.AsyncClient) -> None:
    text = (await http.get("/")).text
    size = len(text)
    for address in re.findall(r'"(/static/[^"]+)"', text):
        answer = await http.get(address)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (await http.get(address.partition("?")[0])).headers["cache-control"] == "no-cache"
        size += len(answer.content)
    assert size < 100_000


def test_what_is_vendored_is_what_was_published() -> None:
    said = re.findall(r"\| `(\S+?)` \|.*`([0-9a-f]{64})`", (STATIC / "vendor/README.md").read_text())
    assert said
    for name, digest in said:
        assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == digest


def test_a_page_without_scripts_runs_none() -> None:
    policy = page("not_found.html", 404).headers["content-security-policy"]
    assert "script-src 'none'" in policy
    assert "connect-src" not in policy
