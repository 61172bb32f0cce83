"""Walking pages: which of them, as whom, and what is wrong with an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx
from sqlalchemy import text

from broker.kernel.context import Context
from broker.metadata import metadata
from tests.matrix.routes import Key
from tests.security.hostile import MARK
from tests.security.markup import faults_of
from tests.security.site import Site

_FOR_ALL: Final = {"x-content-type-options": "nosniff", "strict-transport-security": "max-age=31536000"}
_KEPT: Final = ("/search", "/categories/", "/marketplace/", "/robots.txt", "/sitemap.xml", "/static/")
_COOKIE: Final = "; httponly; max-age={}; path=/; samesite=lax; secure"


@dataclass
class Walk:
    """What was seen on the way."""

    faults: list[str] = field(default_factory=list)
    marked: set[str] = field(default_factory=set)
    """Pages that showed the hostile text."""
    seen: dict[str, str] = field(default_factory=dict)
    """Every page by its path and whose it was."""

    async def visit(self, site: Site, key: Key, names: Sequence[str]) -> None:
        """Look at a page as each of these."""
        for name in names:
            headers = {"x-http-method-override": "DELETE"}
            answer = await site.browsers[name].get(site.address(key), headers=headers)
            self.faults += [f"{key[1]} to {name}: {fault}" for fault in wrong_with(answer, key[1])]
            if answer.headers.get("content-type", "").startswith("text/html"):
                self.seen[f"{key[1]} to {name}"] = answer.text
            if MARK in answer.text:
                self.marked.add(key[1])


def wrong_with(answer: httpx.Response, path: str) -> Iterator[str]:
    """What of an answer could be used against whoever reads it."""
    yield from unshielded(answer)
    if answer.headers.get("content-type", "").startswith("text/html"):
        yield from faults_of(answer.text)
    if answer.status_code >= 500:
        yield f"it fails: {answer.status_code}"
    if path != "/" and not path.startswith(_KEPT) and answer.headers.get("cache-control") != "no-store":
        yield f"it may be kept: {answer.headers.get('cache-control')}"


def unshielded(answer: httpx.Response) -> Iterator[str]:
    """What is missing of the headers that keep browsers from being used against their users."""
    headers, policy = answer.headers, answer.headers.get("content-security-policy", "")
    yield from (f"{name}: {headers.get(name)}" for name, value in _FOR_ALL.items() if headers.get(name) != value)
    if "default-src 'none'" not in policy or "'unsafe" in policy.replace("style-src 'unsafe-inline'", ""):
        yield f"its policy is weak: {policy}"
    if headers.get("x-frame-options") != "DENY" or not ("frame-ancestors 'none'" in policy or "sandbox" in policy):
        yield "it can be framed"
    if headers.get("referrer-policy") != "no-referrer":
        yield "it tells others its address"
    if "cross-origin-resource-policy" not in headers:
        yield "it can be drawn into other sites"
    for cookie in headers.get_list("set-cookie"):
        life = cookie.lower().partition("max-age=")[2].partition(";")[0]
        if not cookie.startswith("__Host-") or not cookie.lower().endswith(_COOKIE.format(life)):
            yield f"a cookie that others get at: {cookie}"


async def state_of(ctx: Context) -> dict[str, str]:
    """A sum over the rows of each table."""
    async with ctx.database.transaction() as tx:
        return {
            name: (
                await tx.execute(text(f"select md5(string_agg(t::text, '' order by t::text)) from {name} t"))
            ).scalar()
            for name in metadata.tables
        }
