"""The canary against providers that answer over HTTP: what is measured, what is left behind, what is not touched."""

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from sqlalchemy import select
from starlette.responses import JSONResponse, Response

from broker.canary import Perch, run_due
from broker.catalog.canary import RunView, list_runs, set_canary, withdraw_stale
from broker.catalog.canary_runs import KEPT, LEASE, Outcome, begin, claim_due, end, resource_in_flight
from broker.catalog.members import Role, set_member
from broker.catalog.push import push_manifest, rotate_secrets
from broker.catalog.queries import get_service
from broker.catalog.views import ServiceView
from broker.events.models import Event
from broker.faces.mails.letters import Letters
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Forbidden, InvalidParams, NotFound
from broker.notices.queries import list_notices
from tests.domain import StoppedClock, new_user
from tests.testkit.shelf import PASSWORD, Item, Refusal, Shelf, manifest
from tests.testkit.trying import offered

LOOPBACK = (ip_network("127.0.0.0/8"),)
PERCH = Perch(timeout_s=60, within_s=240, allowed=LOOPBACK)
HOURLY = timedelta(hours=1)
PASSED = Outcome("mini", [("A sentence.", "pass")], 5, None)


class Refusing(Shelf):
    """Takes nobody any more, and quotes the password that it was called with."""

    def check_plan(self, plan: str) -> None:
        raise Refusal(422, f"Full. You came with {PASSWORD}.")


class Clinging(Shelf):
    """Does not delete until it is told to."""

    clings = True

    async def deprovision(self, uuid: str) -> Response:
        return JSONResponse({}, 500) if self.clings else await super().deprovision(uuid)


async def ordered(ctx: Context, actor: Actor, origin: str, every: timedelta | None = HOURLY) -> None:
    await push_manifest(ctx, actor, "shelf", manifest(origin), networks=LOOPBACK)
    await set_canary(ctx, actor, "shelf", every)


async def last_run(ctx: Context, actor: Actor, slug: str = "shelf") -> RunView:
    return (await list_runs(ctx, actor, slug))[0]


async def shown(ctx: Context, slug: str = "shelf") -> ServiceView:
    async with ctx.database.transaction() as tx:
        return await get_service(tx, slug)


async def in_flight(ctx: Context) -> Any:
    service = await shown(ctx)
    async with ctx.database.transaction() as tx:
        return await resource_in_flight(tx, service.id)


@pytest.mark.parametrize("later", [False, True])
async def test_a_good_provider_passes_and_keeps_nothing(ctx: Context, alice: Actor, *, later: bool) -> None:
    shelf = Shelf(later=later)
    async with offered(shelf) as origin:
        await ordered(ctx, alice, origin)
        assert await run_due(ctx, PERCH) == 1
        assert await run_due(ctx, PERCH) == 0, "the next is due in an hour"
    run = await last_run(ctx, alice)
    assert (run.passed, run.fault, run.plan) == (True, None, "mini")
    assert run.provision_ms is not None
    assert {status for _, status in run.checks} == {"pass"}
    assert [item.gone for item in shelf.items.values()] == [True]
    figure = (await shown(ctx)).reliability
    assert figure is not None
    assert (figure.runs, figure.passed, figure.measured) == (1, 1, False)
    assert await in_flight(ctx) is None


async def test_a_failure_is_told_in_a_sentence_without_secrets_and_lowers_the_figure(
    ctx: Context, alice: Actor, clock: StoppedClock
) -> None:
    async with offered(Shelf()) as origin:
        await ordered(ctx, alice, origin)
        await run_due(ctx, PERCH)
    clock.advance(minutes=5)
    async with offered(Refusing()) as origin:
        await ordered(ctx, alice, origin)
        await run_due(ctx, PERCH)
    clock.advance(hours=1)
    await run_due(ctx, PERCH)  # by now nobody listens at that address
    gone, full, _ = await list_runs(ctx, alice, "shelf")
    assert full.fault is not None
    assert full.fault.startswith("A provision with the right credentials succeeds with 201, 200 or 202. Instead it ans")
    assert PASSWORD not in json.dumps([full.fault, full.checks])
    assert gone.fault is not None
    assert "There was no answer" in gone.fault
    figure = (await shown(ctx)).reliability
    assert figure is not None
    assert (figure.runs, figure.passed) == (3, 1)


async def test_what_could_not_be_removed_is_removed_before_anything_else_is_made(
    ctx: Context, alice: Actor, clock: StoppedClock
) -> None:
    shelf = Clinging()
    async with offered(shelf) as origin:
        await ordered(ctx, alice, origin)
        await run_due(ctx, PERCH)
        run = await last_run(ctx, alice)
        assert run.fault is not None
        assert run.fault.startswith("A delete succeeds with 204 or 200.")
        left = await in_flight(ctx)
        assert not shelf.items[str(left)].gone
        clock.advance(hours=1)
        await run_due(ctx, PERCH)
        assert "could not be removed" in str((await last_run(ctx, alice)).fault)
        assert len(shelf.items) == 1, "nothing is made as long as something is left"
        await set_canary(ctx, alice, "shelf", None)
        shelf.clings = False
        assert await run_due(ctx, PERCH) == 1, "to remove it, though there are no more runs"
    assert shelf.items[str(left)].gone
    assert await in_flight(ctx) is None
    assert len(await list_runs(ctx, alice, "shelf")) == 2
    assert await run_due(ctx, PERCH) == 0


async def test_a_run_that_was_killed_is_cleaned_up_by_the_next(ctx: Context, alice: Actor, clock: StoppedClock) -> None:
    shelf = Shelf()
    async with offered(shelf) as origin:
        await ordered(ctx, alice, origin)
        claim = await claim_due(ctx)
        assert claim is not None
        left = await begin(ctx, claim)
        shelf.items[str(left)] = Item("mini")  # and then its process was killed
        assert await claim_due(ctx) is None, "it is not known yet that it was"
        clock.advance(seconds=LEASE.total_seconds())
        assert await run_due(ctx, PERCH) == 1
    assert not await end(ctx, claim, None, is_removed=True), "it belongs to another one now"
    assert (await last_run(ctx, alice)).passed
    assert [item.gone for item in shelf.items.values()] == [True, True]


async def test_a_run_is_made_by_one_process_however_many_look(live_ctx: Context) -> None:
    partner = await new_user(live_ctx, "partner@example.com")
    await ordered(live_ctx, partner, "http://127.0.0.1:9")
    claims = await asyncio.gather(*(claim_due(live_ctx) for _ in range(5)))
    assert len([claim for claim in claims if claim is not None]) == 1


async def test_a_run_that_is_cancelled_removes_what_it_made(ctx: Context, alice: Actor) -> None:
    shelf = Shelf()
    made = asyncio.Event()
    shelf.check_plan = lambda _: made.set()  # type: ignore[method-assign]  # this one tells when it is asked
    shelf.provisioned = lambda _: JSONResponse({"id": "1", "config": {}}, 202)  # type: ignore[method-assign]  # and never ends
    async with offered(shelf) as origin:
        await ordered(ctx, alice, origin)
        running = asyncio.create_task(run_due(ctx, PERCH))
        await made.wait()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    assert [item.gone for item in shelf.items.values()] == [True]


async def test_a_run_under_which_the_manifest_changed_does_not_count(ctx: Context, alice: Actor) -> None:
    shelf = Shelf()
    async with offered(shelf) as origin:
        await ordered(ctx, alice, origin)
        claim = await claim_due(ctx)
        assert claim is not None
        await rotate_secrets(ctx, alice, "shelf")
        assert await end(ctx, claim, PASSED, is_removed=True)
    assert await list_runs(ctx, alice, "shelf") == []


async def test_old_runs_are_forgotten_and_the_end_of_a_canary_takes_its_figure_away(
    ctx: Context, alice: Actor, clock: StoppedClock
) -> None:
    await ordered(ctx, alice, "http://127.0.0.1:9")
    for days in (0, KEPT.days - 1, 2):
        clock.advance(days=days)
        claim = await claim_due(ctx)
        assert claim is not None
        assert await end(ctx, claim, PASSED, is_removed=True)
    assert len(await list_runs(ctx, alice, "shelf")) == 2
    assert (await shown(ctx)).reliability is not None
    ended = await set_canary(ctx, alice, "shelf", None)
    assert (ended.every, (await shown(ctx)).reliability) == (None, None)
    again = await set_canary(ctx, alice, "shelf", HOURLY)
    assert again.reliability is not None, "what was measured is not undone by a pause"


async def test_members_are_told_when_it_fails_twice_in_a_row_and_when_it_passes_again(
    ctx: Context, alice: Actor, mallory: Actor, clock: StoppedClock
) -> None:
    await ordered(ctx, alice, "http://127.0.0.1:9")
    await set_member(ctx, alice, "shelf", mallory.email, Role.DEVELOPER)
    for well in (True, False, True, False, False, False, True, True):
        claim = await claim_due(ctx)
        assert claim is not None
        outcome = PASSED if well else replace(PASSED, fault="It answered 500.")
        await end(ctx, claim, outcome, is_removed=True)
        clock.advance(hours=1)
    notices = await list_notices(ctx, alice)
    assert [notice.kind for notice in notices] == ["canary.recovered", "canary.failing"]
    letter = Letters("https://broker.example.com").letter("canary.failing", notices[1].facts)
    assert letter.subject == "Shelf fails its trials"
    assert "    It answered 500." in letter.text
    assert await list_notices(ctx, mallory) == [], "a developer cannot change anything"
    async with ctx.database.transaction() as tx:
        kinds = (await tx.execute(select(Event.kind).where(Event.kind.like("provider.%")).order_by(Event.id))).scalars()
        assert [kind.partition("_")[2] for kind in kinds] == ["failed", "recovered"] * 2

    assert await withdraw_stale(ctx) == 0
    clock.advance(days=4)
    assert await withdraw_stale(ctx) == 1, "nobody tries it any more"
    assert (await shown(ctx)).reliability is None


async def test_a_canary_does_not_connect_into_the_network_of_the_broker(ctx: Context, alice: Actor) -> None:
    shelf = Shelf()
    async with offered(shelf) as origin:
        await ordered(ctx, alice, origin)
        await run_due(ctx, Perch(timeout_s=5, within_s=60))
    assert shelf.items == {}
    assert "could be made (the address is not a public one)" in str((await last_run(ctx, alice)).fault)


async def test_only_those_who_answer_for_a_service_have_it_tried(ctx: Context, alice: Actor, mallory: Actor) -> None:
    await ordered(ctx, alice, "http://127.0.0.1:9", None)
    with pytest.raises(NotFound):
        await set_canary(ctx, mallory, "shelf", HOURLY)
    await set_member(ctx, alice, "shelf", mallory.email, Role.DEVELOPER)
    with pytest.raises(Forbidden):
        await set_canary(ctx, mallory, "shelf", HOURLY)
    assert await list_runs(ctx, mallory, "shelf") == []
    for every, plan in ((timedelta(minutes=4), None), (timedelta(days=2), None), (HOURLY, "giant")):
        with pytest.raises(InvalidParams):
            await set_canary(ctx, alice, "shelf", every, plan)
    assert await claim_due(ctx) is None
