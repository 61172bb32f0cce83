"""Whatever a provider answers, the kit ends with a report: each check with a status, and no traceback."""

from __future__ import annotations

import random

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from broker.testkit.listen import served
from broker.testkit.page import page_of
from broker.testkit.probe import Limits
from broker.testkit.results import Status
from broker.testkit.run import examine, names, report
from broker.testkit.subject import subject
from tests.testkit.shelf import Shelf, manifest
from tests.testkit.trying import tried

LIMITS = Limits(timeout_s=0.2, pause_s=0)
STATUSES = (200, 200, 201, 201, 201, 202, 204, 301, 302, 303, 400, 401, 403, 404, 410, 422, 500, 503)
BODIES = (
    b"", b"null", b"[]", b"{}", b"ok", b"[", b"\xff\xfe", b'"text"', b"7", b"[" * 3000, b'{"id": 7}', b'{"id": null}',
    b'{"id": true}', b'{"id": ["x"], "config": {}}', b'{"id": "x", "config": []}', b'{"id": "x", "config": {"SHELF_URL": 1}}',
    b'{"id": "x", "config": {"SHELF_URL": "redis://:p@127.0.0.1:1"}}', b'{"id": "x", "config": {"SHELF_URL": "http://[::1"}}',
    b'{"id": "x", "config": {"SHELF_URL": "\\ud800"}}', b'{"id": "x", "config": {"SHELF_URL": {"a": [1]}}, "message": 5}',
    b'{"message": "No."}', b'[{"uuid": 7}, 3, null]', b'{"id": 1e400, "config": {"": ""}, "message": "\\u0000"}',
    b'{"id": "x\\u0000y/..", "config": {"SHELF_URL": "smtp://127.0.0.1:99999"}}',
)  # fmt: skip
LOCATIONS = ("/", "//", "http://[", "/sso/login", "http://127.0.0.1:1/", "\x7f", "https://x y/")


class Nonsense:
    """In front of a good provider: answers in its place now and then, by chance and never what was asked."""

    def __init__(self, good: ASGIApp, seed: int, share: float) -> None:
        self.good = good
        self.chance = random.Random(seed)
        self.share = share

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.chance.random() >= self.share:
            await self.good(scope, receive, send)
            return
        await Request(scope, receive).body()
        status = self.chance.choice(STATUSES)
        headers = {"content-type": self.chance.choice(("application/json", "text/html", "", "x"))}
        if status in (301, 302, 303):
            headers["location"] = self.chance.choice(LOCATIONS)
        await Response(self.chance.choice(BODIES) if status != 204 else b"", status, headers)(scope, receive, send)


@pytest.mark.parametrize(("seed", "share"), [(1, 1.0), (2, 1.0), (11, 1.0), (4, 0.3), (5, 0.3), (6, 0.1), (7, 0.1)])
async def test_a_report_comes_of_any_answers(seed: int, share: float) -> None:
    shelf = Shelf()
    await shelf.open()
    try:
        async with served(Nonsense(shelf.app(), seed, share)) as origin:
            results = await examine(subject(manifest(origin)), limits=LIMITS)
    finally:
        await shelf.close()
    told = [(result.group, result.name) for result in results]
    assert len(told) == len(set(told))
    assert set(told) == {(group, name) for group, name in names() if group != "manifest"}
    assert any(result.status is Status.FAIL for result in results)
    page = page_of(report(results, strict=True), "Nonsense", origin)
    assert page.encode().endswith(b"</html>")


@pytest.mark.parametrize("location", ["http://[", "http://127.0.0.1:1/", "", "\xff"])
async def test_a_redirect_that_leads_nowhere_is_no_trouble(location: str) -> None:
    class LeadsNowhere(Shelf):
        async def sign_on(self, form: dict[str, str]) -> Response:
            answer = await super().sign_on(form)
            answer.headers["location"] = location
            return answer

    results = await tried(LeadsNowhere(), groups=("sso",))
    assert [result.name for result in results if result.name == "The page to which a sign-on leads opens."]


async def test_half_a_character_reaches_the_page() -> None:
    class SpeaksInHalves(Shelf):
        def refusal(self, status: int, message: str | None) -> Response:
            return Response(b'{"message": "No \\ud800."}', 400, {"content-type": "application/json"})

    results = await tried(SpeaksInHalves(), groups=("errors",))
    assert "\\ud800" in page_of(report(results, strict=False), "Halves", "").encode().decode()
