"""Several clients do what developers do, over HTTP, while processes die. What a request answers is not believed: only the
state in the end counts."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.chaos.stack import Stack

Client = httpx.AsyncClient
_TRIES = 300


@dataclass
class Figures:
    """What happened."""

    operations: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)


class Driver:
    """Runs a number of operations from several clients against a mix of services."""

    def __init__(
        self, stack: Stack, operations: int, seed: int, services: tuple[str, ...] = ("good", "slow", "flaky")
    ) -> None:
        self.figures = Figures()
        self._stack = stack
        self._left = operations
        self._chance = random.Random(seed)
        self._services = services
        self._apps = [f"chaos-app-{number}" for number in range(4)]

    async def run(self, clients: int = 4) -> None:
        async with self.client() as client:
            for app in self._apps:
                await self._until_done(client, "POST", "/apps", {"name": app})
        await asyncio.gather(*(self._client() for _ in range(clients)))

    def client(self) -> Client:
        headers = {"authorization": f"Bearer {self._stack.token}"}
        return httpx.AsyncClient(headers=headers, timeout=20, trust_env=False)

    async def _client(self) -> None:
        async with self.client() as client:
            while self._left > 0:
                self._left -= 1
                self.figures.operations += 1
                await self._chance.choice(self._actions())(client)

    def _actions(self) -> list[Callable[[Client], Awaitable[None]]]:
        return [
            self._add,
            self._add,
            self._add,
            self._change,
            self._destroy,
            self._destroy,
            self._attach,
            self._own_var,
        ]

    async def _add(self, client: Client) -> None:
        service = self._chance.choice(self._services)
        await self._do(client, "POST", f"/apps/{self._app()}/addons", {"plan": f"{service}:small"})

    async def _change(self, client: Client) -> None:
        if addon := await self._some_addon(client):
            plan = f"{addon['addon_service']['name']}:{self._chance.choice(['small', 'large'])}"
            await self._do(client, "PATCH", f"/apps/{addon['app']['id']}/addons/{addon['id']}", {"plan": plan})

    async def _destroy(self, client: Client) -> None:
        if addon := await self._some_addon(client):
            await self._do(client, "DELETE", f"/apps/{addon['app']['id']}/addons/{addon['id']}", {"force": True})

    async def _attach(self, client: Client) -> None:
        if addon := await self._some_addon(client):
            body = {"addon": addon["id"], "app": self._app(), "confirm": None}
            await self._do(client, "POST", "/addon-attachments", body)

    async def _own_var(self, client: Client) -> None:
        value = str(self._chance.random())
        await self._do(client, "PATCH", f"/apps/{self._app()}/config-vars", {"OWN": value})

    def _app(self) -> str:
        return self._chance.choice(self._apps)

    async def _some_addon(self, client: Client) -> dict[str, Any] | None:
        found = await self._do(client, "GET", "/addons", None)
        return self._chance.choice(found) if isinstance(found, list) and found else None

    async def _until_done(self, client: Client, method: str, path: str, body: Any) -> None:
        for _ in range(100):
            if await self._do(client, method, path, body) is not None:
                return
            await asyncio.sleep(0.2)
        raise AssertionError(f"{method} {path} never succeeded")

    async def _do(self, client: Client, method: str, path: str, body: Any) -> Any:
        """Ask until somebody answers: a process that was killed is being started again, and another one may answer."""
        for _ in range(_TRIES):
            url = self._chance.choice(self._stack.urls)
            try:
                response = await client.request(method, url + path, json=body)
            except httpx.TransportError as error:
                self.figures.answers[type(error).__name__] += 1
                await asyncio.sleep(0.1)
                continue
            self._note(method, path, response)
            if response.status_code != 503:
                return response.json() if response.is_success else None
            await asyncio.sleep(0.1)
        return None

    def _note(self, method: str, path: str, response: httpx.Response) -> None:
        self.figures.answers[str(response.status_code)] += 1
        if response.status_code >= 500 and response.status_code != 503:
            self.figures.unexpected.append(f"{method} {path} -> {response.status_code} {response.text[:200]}")


async def unfinished(stack: Stack) -> int:
    """How many operations still have neither an end nor a provider's promise."""
    import asyncpg  # noqa: PLC0415 - only the driver's own look at the database

    connection = await asyncpg.connect(stack.database_url)
    try:
        return int(await connection.fetchval("select count(*) from operations where finished_at is null"))
    finally:
        await connection.close()
