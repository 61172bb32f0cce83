"""PostgreSQL dies without a word and comes back: nobody sees a 500, nothing has to be restarted, nothing is forgotten."""

import asyncio
import base64
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from broker import worker
from broker.accounts.authorizations import CreateAuthorization, create_authorization
from broker.addons.models import AddonState
from broker.addons.ports import ListCall, Provisioner
from broker.addons.work import Call
from broker.app import create_app
from broker.kernel.outage import DatabaseMissing, wait_until_there
from broker.migrations.run import upgrade
from broker.outbound.registry import Registry
from broker.settings import Settings
from broker.wiring import Wiring, wired
from embedded import postgres
from embedded.processes import free_port
from tests.addons.conftest import ScriptedProvider, World, done, make_world
from tests.domain import new_user
from tests.engines import FAST
from tests.platform_api.conftest import client_of
from tests.waiting import until

KEY = base64.urlsafe_b64encode(os.urandom(32)).decode()
PASSWORD = "only-on-loopback"
BRISK = worker.Pace(sweep_s=0.2, poll_s=0.2, drain_s=0.5, lease_s=1.0, again_s=0.2)
PATIENT_S = 40
SURVIVING = {"synchronous_commit": "on"}  # what was committed must be in the log when the server is killed


@dataclass
class Mortal:
    """A server of this test alone, which can be killed and started again at the same place."""

    data: Path
    port: int
    server: postgres.PostgresServer | None = None

    @property
    def url(self) -> str:
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        self.server = postgres.start(self.data, self.port, settings=FAST | SURVIVING)

    def kill(self) -> None:
        assert self.server is not None
        os.kill(self.server.pid, signal.SIGKILL)
        self.server.process.wait()


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Mortal]:
    made = Mortal(tmp_path / "postgres", free_port())
    postgres.initialise(made.data, PASSWORD)
    yield made
    if made.server is not None:
        made.server.stop()


class Scripted(Registry):
    """Chooses the scripted provider for every call."""

    def __init__(self, provider: ScriptedProvider) -> None:
        self._provider = provider

    def provisioner_for(self, call: Call | ListCall) -> Provisioner:
        return self._provider


@dataclass
class House:
    """A broker and a worker in this process, on the server that is going to die."""

    world: World
    api: httpx.AsyncClient
    working: asyncio.Task[None]

    async def statuses(self) -> list[int]:
        """Of more requests at once than there are connections, on the fast paths and on the others."""
        paths = ("/apps", "/apps/shop/config-vars", "/addons", "/health", "/addon-services", "/apps/shop/releases")
        answers = await asyncio.gather(*(self.api.get(path) for path in paths * 3))
        for answer in answers:
            if answer.status_code != 200:
                assert answer.json()["id"] == "service_unavailable", answer.text
                assert answer.json()["message"].endswith("try again in a few seconds.")
                assert int(answer.headers["retry-after"]) > 0
        return sorted({answer.status_code for answer in answers})


@asynccontextmanager
async def house(url: str) -> AsyncIterator[House]:
    settings = Settings(DATABASE_URL=url, secret_key=KEY, operation_wait_s=0, pool_size=4, rate_limit_per_hour=0)
    async with wired(settings) as wiring:
        world = await make_world(wiring.context, await new_user(wiring.context, "alice@example.com"))
        made = await create_authorization(wiring.context, world.user, CreateAuthorization("test", None))
        assert made.token is not None
        wired_up = Wiring(settings, wiring.context, Scripted(world.provider), wiring.send)
        async with client_of(create_app(wiring.context, settings), made.token.reveal()) as api:
            working = asyncio.create_task(worker.run(wired_up, BRISK))
            try:
                yield House(world, api, working)
            finally:
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)


async def test_requests_are_refused_with_a_sentence_while_it_is_gone_and_operations_end_when_it_is_back(
    mortal: Mortal,
) -> None:
    mortal.start()
    await asyncio.to_thread(upgrade, mortal.url)
    async with house(mortal.url) as it:
        assert await it.statuses() == [200]
        it.world.provider.during = asyncio.Event()
        called = (await it.api.post("/apps/shop/addons", json={"plan": "store:free", "name": "under-way"})).json()
        await it.world.provider.entered.wait()

        mortal.kill()
        assert await it.statuses() == [503]
        refused = await it.api.post("/apps/shop/addons", json={"plan": "store:free"})
        assert (refused.status_code, refused.json()["id"]) == (503, "service_unavailable")
        it.world.provider.will(done("store://1"), done("store://2"), done("store://3"))
        it.world.provider.during.set()

        mortal.start()
        assert await it.statuses() == [200]
        added = await it.api.post("/apps/shop/addons", json={"plan": "store:free", "name": "afterwards"})
        assert added.status_code == 201
        for name in (called["name"], "afterwards"):

            async def provisioned(name: str = name) -> bool:
                return (await it.world.read(name)).state is AddonState.PROVISIONED

            await until(provisioned, PATIENT_S)
        assert not it.working.done()


async def test_a_start_waits_for_a_database_that_comes_up_and_says_so(mortal: Mortal) -> None:
    said: list[str] = []
    told = asyncio.Event()

    def tell(line: str) -> None:
        said.append(line)
        told.set()

    waiting = asyncio.create_task(wait_until_there(mortal.url, PATIENT_S, tell))
    await told.wait()
    mortal.start()
    await waiting
    assert said == [f"Waiting up to {PATIENT_S} s for the database of DATABASE_URL (nothing listens there)."]
    with pytest.raises(DatabaseMissing, match="refuses the connection"):
        await wait_until_there(mortal.url.replace(PASSWORD, "wrong"), PATIENT_S, said.append)
    assert len(said) == 1


async def test_a_start_gives_up_with_a_sentence_when_the_database_stays_away() -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("BROKER_")},
        "DATABASE_URL": f"postgresql://postgres:{PASSWORD}@127.0.0.1:{free_port()}/postgres",
        "BROKER_SECRET_KEY": KEY,
        "BROKER_DATABASE_WAIT_S": "1",
    }
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "broker", "worker", env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, shown = await program.communicate()
    waiting, refusal = shown.decode().splitlines()
    assert program.returncode == 1
    assert waiting.startswith("Waiting up to 1 s for the database")
    assert refusal.startswith("Error: the database of DATABASE_URL cannot be reached (nothing listens there)")
    assert PASSWORD not in shown.decode()
