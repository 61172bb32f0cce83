"""More than the broker can take: refused at once with a sentence, and nobody else is held up. Ending: nobody is cut off."""

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context as ContextVars
from dataclasses import replace

import httpx
from fastapi import FastAPI, Request
from sqlalchemy import select, update

from broker import worker
from broker.addons.models import AddonState, Operation
from broker.app import create_app
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.faces.answers import Answer
from broker.kernel.clock import SystemClock
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.db import connect
from broker.kernel.errors import DatabaseUnavailable
from broker.platform_api.deps import Body, CurrentActor
from broker.platform_api.idempotency import once
from broker.settings import Settings
from broker.wiring import wired
from embedded.processes import free_port
from tests.addons.conftest import MANIFEST, World, make_world
from tests.domain import StoppedClock, new_user
from tests.outbound.wire import Wire, http, listening
from tests.platform_api.conftest import client_of, settings, token_of
from tests.waiting import until

KEY = base64.urlsafe_b64encode(os.urandom(32)).decode()


def refused(answer: httpx.Response) -> str:
    """The sentence of a refusal for want of room."""
    assert (answer.status_code, answer.json()["id"]) == (503, "service_unavailable"), answer.text
    assert int(answer.headers["retry-after"]) > 0
    message: str = answer.json()["message"]
    return message


async def test_a_request_too_many_is_refused_at_once_and_counts_for_nothing(ctx: Context, token: str) -> None:
    app: FastAPI = create_app(ctx, settings(max_requests=1))
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def held() -> Answer:
        entered.set()
        await go_on.wait()
        return Answer({})

    app.add_api_route("/held", held)
    async with client_of(app, token) as client:
        first = asyncio.create_task(client.get("/held"))
        await entered.wait()
        answer = await client.get("/regions")
        assert refused(answer) == "The broker is busy; try again in a few seconds."
        assert answer.headers["ratelimit-remaining"] == "4499"
        assert (await client.get("/health")).status_code == 200
        go_on.set()
        assert (await first).status_code == 200
        assert (await client.get("/regions")).status_code == 200


async def test_whoever_waits_for_an_operation_takes_nobodys_place_and_is_answered_when_the_process_ends(
    live_ctx: Context,
) -> None:
    user = await new_user(live_ctx, "alice@example.com")
    await make_world(live_ctx, user)
    app = create_app(live_ctx, settings(max_requests=1, operation_wait_s=28))
    async with client_of(app, await token_of(live_ctx, user)) as client:
        adding = asyncio.create_task(client.post("/apps/shop/addons", json={"plan": "store"}))

        async def recorded() -> bool:
            async with live_ctx.database.transaction() as tx:
                return bool((await tx.execute(select(Operation.id))).all())

        async def free() -> bool:
            return (await client.get("/addons")).status_code == 200

        await until(recorded)
        await until(free)
        assert not adding.done()
        live_ctx.signals.let_go()
        answer = await adding
        assert (answer.status_code, answer.json()["state"]) == (201, "provisioning")
        again = await client.post("/apps/shop/addons", json={"plan": "store"})
        assert (again.status_code, again.json()["state"]) == (201, "provisioning")


async def test_without_a_free_connection_a_request_is_refused_soon(live_ctx: Context, live_database: str) -> None:
    token = await token_of(live_ctx, await new_user(live_ctx, "alice@example.com"))
    narrow = connect(live_database, pool_size=1, pool_timeout_s=0.1)
    app = create_app(replace(live_ctx, database=narrow), settings())
    async with client_of(app, token) as client:
        async with narrow.transaction():
            loop = asyncio.get_running_loop()
            for path in ("/regions", "/apps", "/health"):
                answer = await loop.create_task(client.get(path), context=ContextVars())
                assert refused(answer) == "The broker is busy; try again in a few seconds."
        assert (await client.get("/apps")).status_code == 200
    await narrow.close()


async def test_a_body_that_does_not_arrive_is_not_waited_for(ctx: Context, token: str) -> None:
    async def dribbling() -> AsyncIterator[bytes]:
        yield b'{"name":'
        await asyncio.Event().wait()

    async with client_of(create_app(ctx, settings(client_timeout_s=0.2)), token) as client:
        answer = await client.post("/apps", content=dribbling(), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["id"]) == (408, "request_timeout")
    assert answer.headers["connection"] == "close"


async def test_new_addons_are_refused_while_too_many_operations_are_unfinished(
    ctx: Context, alice: Actor, token: str, clock: StoppedClock
) -> None:
    world = await make_world(ctx, alice)
    async with client_of(create_app(ctx, settings(max_unfinished=2)), token) as client:

        async def add(key: str) -> httpx.Response:
            clock.advance(seconds=1)
            return await client.post("/apps/shop/addons", json={"plan": "store"}, headers={"idempotency-key": key})

        assert [(await add(key)).status_code for key in ("1", "2")] == [201, 201]
        assert refused(await add("3")).startswith("2 operations or more are waiting")
        assert (await add("1")).status_code == 201
        assert (await client.get("/addons")).status_code == 200
        await _finish_one(world)
        assert (await add("3")).status_code == 201


async def _finish_one(world: World) -> None:
    async with world.ctx.database.transaction() as tx:
        first = (await tx.execute(select(Operation.id).limit(1))).scalar_one()
        await tx.execute(update(Operation).where(Operation.id == first).values(finished_at=world.ctx.clock.now()))


async def test_a_key_stays_taken_when_nobody_knows_what_was_made(token: str, app: FastAPI) -> None:
    async def make(_id: object) -> tuple[object, Answer]:
        raise DatabaseUnavailable("Gone.")

    async def unsure(request: Request, actor: CurrentActor) -> Answer:
        return await once(request, actor, Body(), make, make)  # type: ignore[arg-type]  # neither ever returns

    app.add_api_route("/unsure", unsure, methods=["POST"])
    async with client_of(app, token) as client:
        for status, error in ((503, "service_unavailable"), (409, "conflict")):
            answer = await client.post("/unsure", headers={"idempotency-key": "k"})
            assert (answer.status_code, answer.json()["id"]) == (status, error)


async def test_a_slowed_down_client_is_told_when_the_next_request_is_free(
    ctx: Context, token: str, clock: StoppedClock
) -> None:
    async with client_of(create_app(ctx, settings(rate_limit_per_hour=60)), token) as client:
        answers = [await client.get("/stacks/none") for _ in range(61)]
        assert answers[-1].status_code == 429
        clock.advance(seconds=int(answers[-1].headers["retry-after"]))
        assert (await client.get("/stacks/none")).status_code == 404


@asynccontextmanager
async def serving(database_url: str, **more: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """`broker serve --with-worker` in a process of its own, and its port."""
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("BROKER_")},
        "DATABASE_URL": database_url,
        "BROKER_SECRET_KEY": KEY,
        "BROKER_OUTBOUND_ALLOW": "127.0.0.0/8",
        **more,
    }
    words = ("-m", "broker", "serve", "--with-worker", "--port", str(port))
    process = await asyncio.create_subprocess_exec(sys.executable, *words, env=environment)
    try:
        async with httpx.AsyncClient() as client:

            async def up() -> bool:
                try:
                    return (await client.get(f"http://127.0.0.1:{port}/health")).status_code == 200
                except httpx.TransportError:
                    return False

            await until(up, 60)
        yield process, port
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_server_hangs_up_on_slow_clients_and_answers_all_others_before_it_ends(live_database: str) -> None:
    config = Settings(DATABASE_URL=live_database, secret_key=KEY, outbound_allow="127.0.0.0/8")
    hanging, hang_up = asyncio.Event(), asyncio.Event()

    async def hang(_writer: asyncio.StreamWriter) -> None:
        hanging.set()
        await hang_up.wait()
        raise OSError

    provided = http(200, json.dumps({"id": "r-1", "config": {"STORE_URL": "store://once"}}))
    async with wired(config) as wiring, listening(hang, provided) as wire:
        ctx = replace(wiring.context, clock=SystemClock())
        user = await new_user(ctx, "alice@example.com")
        await make_world(ctx, user)
        await _publish_at(ctx, wire)
        token = await token_of(ctx, user)
        async with serving(live_database, BROKER_CLIENT_TIMEOUT_S="1") as (process, port):
            for sent in (b"", b"GET /regions HTTP/1.1\r\nHost: broker\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000):
                assert await _answer_to(port, sent) == b""
            async with client_of_port(port, token) as client:
                adding = asyncio.create_task(client.post("/apps/shop/addons", json={"plan": "store"}))
                await hanging.wait()
                process.send_signal(signal.SIGTERM)
                answer = await adding
                hang_up.set()
                assert (answer.status_code, answer.json()["state"]) == (201, "provisioning")
            assert await process.wait() in (0, -signal.SIGTERM)

        world = World(ctx, user, None)  # type: ignore[arg-type]  # the provider of this world is `wire`

        async def provisioned() -> bool:
            return (await world.read(answer.json()["id"])).state is AddonState.PROVISIONED

        brisk = worker.Pace(sweep_s=0.2, poll_s=0.2, drain_s=0.2, lease_s=1.0)
        working = asyncio.create_task(worker.run(wiring, brisk))
        await until(provisioned, 40)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


def client_of_port(port: int, token: str) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=40)


async def _publish_at(ctx: Context, wire: Wire) -> None:
    urls = {"base_url": wire.url, "sso_url": wire.url}
    api = {**MANIFEST["api"], "test": urls, "production": urls}
    await publish(ctx, parse({**MANIFEST, "api": api}, allow_insecure=True), SYSTEM)


async def _answer_to(port: int, sent: bytes) -> bytes:
    """Whatever comes until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(20):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()
