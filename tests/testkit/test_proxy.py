"""The fault proxy between a caller and a provider: each fault, when it strikes, and that nothing else is changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx
import pytest

from broker.testkit.faults import Fault, UnknownFault, call_of, fault
from broker.testkit.proxy import FaultProxy
from broker.testkit.run import examine
from broker.testkit.subject import subject
from tests.providers.partner import PASSWORD, provision_body
from tests.testkit.shelf import Shelf, manifest
from tests.testkit.trying import LIMITS, offered, wrong
from tests.waiting import until

RESOURCES = "/heroku/resources"


class Between:
    """A provider behind a proxy, and its caller."""

    def __init__(self, shelf: Shelf, proxy: FaultProxy, client: httpx.AsyncClient) -> None:
        self.shelf = shelf
        self.proxy = proxy
        self.client = client

    async def provision(self) -> httpx.Response:
        return await self.client.post(RESOURCES, json=provision_body(uuid4(), "mini"))


@asynccontextmanager
async def between(*faults: str) -> AsyncIterator[Between]:
    shelf = Shelf()
    async with offered(shelf) as origin:
        proxy = FaultProxy(origin, [fault(text) for text in faults])
        async with (
            proxy.running() as front,
            httpx.AsyncClient(base_url=front, auth=("shelf", PASSWORD), timeout=10) as client,
        ):
            yield Between(shelf, proxy, client)


async def test_without_faults_nothing_is_changed() -> None:
    shelf = Shelf(later=True)
    async with offered(shelf) as origin:
        proxy = FaultProxy(origin)
        async with proxy.running() as front:
            assert wrong(await examine(subject(manifest(front)), limits=LIMITS)) == {}
    assert {passage.fault for passage in proxy.passages} == {None}
    assert {passage.call for passage in proxy.passages} == {"provision", "planchange", "deprovision", "sso", "list"}


async def test_500_comes_after_the_provider_did_what_it_was_asked() -> None:
    async with between("500:on=provision") as party:
        assert (await party.provision()).status_code == 500
        assert len(party.shelf.items) == 1
        assert str(party.proxy.passages[0]).startswith(f"POST {RESOURCES}  provider 201, answered 500  500  ")
        assert (await party.client.get(RESOURCES)).status_code == 200


async def test_503_comes_before() -> None:
    async with between("503") as party:
        assert (await party.provision()).status_code == 503
        assert party.shelf.items == {}
        assert "not asked" in str(party.proxy.passages[0])


@pytest.mark.parametrize(("kind", "made"), [("reset", 1), ("drop", 0)])
async def test_a_broken_connection_comes_after_or_before(kind: str, made: int) -> None:
    async with between(kind) as party:
        with pytest.raises(httpx.NetworkError):
            await party.provision()
        assert len(party.shelf.items) == made


async def test_a_timeout_is_carried_out_and_never_answered() -> None:
    async with between("timeout") as party:
        with pytest.raises(httpx.ReadTimeout):
            await party.client.post(RESOURCES, json=provision_body(uuid4(), "mini"), timeout=0.3)
        assert len(party.shelf.items) == 1


async def test_a_duplicate_is_carried_out_twice() -> None:
    async with between("duplicate:on=deprovision") as party:
        uuid = (await party.provision()).json()["id"]
        assert (await party.client.delete(f"{RESOURCES}/{uuid}")).status_code == 410
        assert party.proxy.passages[-1].carried_out == [204, 410]


async def test_garbage_is_no_answer_of_the_provider() -> None:
    async with between("garbage") as party:
        answer = await party.provision()
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")
        assert len(party.shelf.items) == 1


async def test_a_reordered_call_comes_after_the_one_behind_it() -> None:
    async with between("reorder:on=provision:s=30") as party:
        held = asyncio.create_task(party.provision())
        await until(lambda: one_is_held(party.proxy))
        assert (await party.client.get(RESOURCES)).json() == []
        assert (await held).status_code == 201
        assert [passage.call for passage in party.proxy.passages] == ["list", "provision"]


async def one_is_held(proxy: FaultProxy) -> bool:
    return proxy.held == 1


async def test_a_delayed_answer_comes_later() -> None:
    async with between("delay:s=0.2") as party:
        assert (await party.provision()).status_code == 201
        assert party.proxy.passages[0].fault == "delay"
        assert party.proxy.passages[0].seconds >= 0.2


async def test_a_provider_that_is_away_gives_502() -> None:
    async with (
        FaultProxy("http://127.0.0.1:1").running() as front,
        httpx.AsyncClient(base_url=front, timeout=10) as client,
    ):
        answer = await client.get("/")
    assert answer.status_code == 502
    assert "Cannot reach the provider" in answer.text


def test_a_fault_strikes_at_every_nth_call_it_is_for_and_as_often_as_it_may() -> None:
    found = fault("500:every=2:on=provision:times=2")
    calls = ["provision", "list", "provision", "provision", "provision", "provision", "provision"]
    assert [found.strikes(call) for call in calls] == [False, False, True, False, True, False, False]
    assert fault("delay").seconds == 2
    assert fault("reorder:s=0.5") == Fault("reorder", seconds=0.5)


@pytest.mark.parametrize(
    "text", ["", "sleep", "500:every=0", "500:every=x", "500:on=lunch", "delay:s=-1", "drop:often"]
)
def test_what_is_no_fault_is_refused_with_what_would_be_one(text: str) -> None:
    with pytest.raises(UnknownFault, match="Possible are"):
        fault(text)


def test_calls_are_told_apart() -> None:
    assert call_of("POST", "application/json") == "provision"
    assert call_of("POST", "application/x-www-form-urlencoded; charset=utf-8") == "sso"
    assert call_of("HEAD", "") == "other"
