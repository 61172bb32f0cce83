"""Mails on a metered plan are reported hour by hour, once each, whatever becomes of the answers."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from providers.kit.manifest import load_all
from providers.kit.store import ResourceStore
from providers.mail.credentials import Credential, Credentials
from providers.mail.database import Database
from providers.mail.messages import Intake, Submission
from providers.mail.plans import PLANS
from providers.mail.usage import Reporter
from tests.providers import partner
from tests.providers.mail.program import MAIL_VARS, SENDGRID_VARS, Clock, mail_program

Answering = Callable[[list[dict[str, Any]]], httpx.Response]


def accepting(usages: list[dict[str, Any]]) -> httpx.Response:
    return httpx.Response(200, json={"results": [{"id": each["id"], "status": "accepted"} for each in usages]})


@dataclass
class Post:
    """A mail provider without its servers, and the broker that it reports to."""

    database: Database
    store: ResourceStore
    credentials: Credentials
    intake: Intake
    reporter: Reporter
    clock: Clock
    answering: Answering = accepting
    seen: list[tuple[str, str | None, list[dict[str, Any]]]] = field(default_factory=list)

    def resource(self, plan: str = "payg", manifest: str = "mail") -> Credential:
        uuid = uuid4()
        self.store.create(uuid, manifest, plan, "mail-1", "us", self.clock())
        return self.credentials.ensure(str(uuid), f"password of {uuid}", PLANS[plan])

    def send(self, credential: Credential, recipients: int = 1) -> None:
        raw = b"Subject: Hello\r\n\r\nGood morning\r\n"
        people = tuple(f"{number}@example.com" for number in range(recipients))
        self.intake.accept(credential, [Submission("app@example.com", people, raw, "smtp")])

    def later(self, **parts: float) -> None:
        self.clock.skew += timedelta(**parts)

    async def report(self) -> int:
        def answer(request: httpx.Request) -> httpx.Response:
            usages = json.loads(request.content)["usages"]
            self.seen.append((request.url.path, request.headers.get("authorization"), usages))
            return self.answering(usages)

        client = httpx.AsyncClient(base_url="http://broker.test", transport=httpx.MockTransport(answer))
        async with client:
            return await self.reporter.report(client)

    @property
    def reported(self) -> list[tuple[str, str]]:
        return [(each["id"], each["quantity"]) for _, _, usages in self.seen for each in usages]


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    clock = Clock()
    clock.move_to_noon()
    manifests = load_all(
        (
            partner.write_manifest(tmp_path, "mail", MAIL_VARS, "MAIL", ("payg",)),
            partner.write_manifest(tmp_path, "sendgrid", SENDGRID_VARS, "SENDGRID", ("payg",)),
        )
    )
    with closing(Database(tmp_path / "mail.db")) as database, closing(ResourceStore(tmp_path / "r.db")) as store:
        credentials, intake = Credentials(database, "mail.test"), Intake(database, clock, relaying=False)
        reporter = Reporter(database, store, manifests, "http://broker.test/", clock)
        yield Post(database, store, credentials, intake, reporter, clock)


async def test_an_hour_is_reported_when_it_is_over_and_only_once(post: Post) -> None:
    metered, fixed = post.resource(), post.resource("bronze")
    post.send(metered, 3)
    post.send(metered)
    post.send(fixed)
    assert await post.report() == 0
    post.later(hours=1)
    post.send(metered, 5)
    assert await post.report() == 1
    (path, authorization, (report,)) = post.seen[0]
    assert path == "/api/v3/addons/mail/usage_batches"
    assert authorization == httpx.BasicAuth("mail", partner.PASSWORD)._auth_header
    assert (report["quantity"], report["resource"], report["unit"]) == (
        "4",
        {"id": metered.resource},
        {"name": "mails"},
    )
    assert report["id"] == f"{metered.resource} {report['at'][:14]}00:00Z"
    post.later(hours=1)
    assert await post.report() == 1
    assert await post.report() == 0
    assert [quantity for _, quantity in post.reported] == ["4", "5"]


@pytest.mark.parametrize("failure", [httpx.ConnectError("down"), httpx.ReadTimeout("late"), httpx.Response(503)])
async def test_what_was_not_answered_is_reported_again_in_the_same_words(
    post: Post, failure: httpx.Response | httpx.HTTPError
) -> None:
    def failing(_: list[dict[str, Any]]) -> httpx.Response:
        if isinstance(failure, httpx.HTTPError):
            raise failure
        return failure

    post.send(post.resource(), 7)
    post.later(hours=1)
    post.answering = failing
    with pytest.raises(httpx.HTTPError):
        await post.report()
    post.later(hours=5)
    post.answering = accepting
    assert await post.report() == 1
    assert post.seen[0] == post.seen[1]


async def test_what_was_sent_before_a_resource_was_removed_is_reported(post: Post) -> None:
    metered = post.resource()
    post.send(metered, 2)
    post.credentials.remove(metered.resource)
    post.store.bury(UUID(metered.resource), post.clock())
    post.later(hours=1)
    assert await post.report() == 1


async def test_each_service_reports_with_its_own_password(post: Post) -> None:
    post.send(post.resource())
    post.send(post.resource(manifest="sendgrid"))
    post.later(hours=1)
    assert await post.report() == 2
    assert sorted(path for path, _, _ in post.seen) == [
        "/api/v3/addons/mail/usage_batches",
        "/api/v3/addons/sendgrid/usage_batches",
    ]


async def test_what_is_refused_is_told_in_the_log_and_not_repeated(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    post.answering = lambda usages: httpx.Response(
        207, json={"results": [{"id": each["id"], "status": "refused", "reason": "too_late"} for each in usages]}
    )
    post.send(post.resource())
    post.later(hours=1)
    assert await post.report() == 1
    assert "too_late" in caplog.text
    assert await post.report() == 0


async def test_a_change_of_plan_is_counted_from_its_moment(post: Post) -> None:
    changing = post.resource("bronze")
    post.send(changing, 10)
    post.credentials.change_plan(changing.resource, PLANS["payg"])
    post.send(changing, 2)
    post.later(hours=1)
    await post.report()
    assert [quantity for _, quantity in post.reported] == ["2"]


async def test_the_program_runs_with_a_broker_that_is_away(tmp_path: Path) -> None:
    async with mail_program(tmp_path, broker_url="http://127.0.0.1:9") as program, program.calls() as calls:
        assert (await calls.get("/health")).status_code == 200
