"""One provider hangs on every call and two hundred adds wait for it: what do others notice? Measured beside the quiet figure
of the same run, printed; asserted is only that everything ends as it should.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.chaos.driver import Driver, unfinished
from tests.chaos.stack import Stack, running_stack

QUEUED = 200
READS = 150
ADDS = 25

pytestmark = [pytest.mark.journey, pytest.mark.timeout(420)]


class Client:
    """Asks one API process and keeps the times. Units: seconds."""

    def __init__(self, stack: Stack, client: httpx.AsyncClient) -> None:
        self._url = stack.urls[0]
        self._client = client

    async def ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        return await self._client.request(method, self._url + path, json=body)

    async def read(self) -> None:
        assert (await self.ask("GET", "/apps/quiet/config-vars")).status_code == 200

    async def add(self) -> None:
        answer = await self.ask("POST", "/apps/quiet/addons", {"plan": "good"})
        assert (answer.status_code, answer.json()["state"]) == (201, "provisioned"), answer.text


async def timed(body: Callable[[], Awaitable[None]], times: int) -> list[float]:
    """How long each of them took, one after the other."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await body()
        taken.append(time.perf_counter() - began)
    return sorted(taken)


def p99(taken: list[float]) -> float:
    return taken[int(len(taken) * 0.99)]


async def test_a_provider_that_hangs_is_its_own_users_trouble_only(capsys: pytest.CaptureFixture[str]) -> None:
    with running_stack(apis=1, workers=1, BROKER_PARTNER_TIMEOUT_S="10") as stack:
        async with Driver(stack, 0, 0).client() as http:
            client = Client(stack, http)
            for app in ("quiet", "noisy"):
                assert (await client.ask("POST", "/apps", {"name": app})).status_code == 201
            await timed(client.add, 3)
            quiet = await timed(client.read, READS), await timed(client.add, ADDS)
            queue = [client.ask("POST", "/apps/noisy/addons", {"plan": "hanging"}) for _ in range(QUEUED)]
            answers = await asyncio.gather(*queue)
            waiting = await unfinished(stack)
            loud = await timed(client.read, READS), await timed(client.add, ADDS)
        ratios = [p99(noisy) / p99(calm) for noisy, calm in zip(loud, quiet, strict=True)]
        with capsys.disabled():
            print(
                f"\nisolation: p99 of config reads {p99(quiet[0]) * 1e3:.1f} -> {p99(loud[0]) * 1e3:.1f} ms"
                f" (x{ratios[0]:.2f}), of adds elsewhere {p99(quiet[1]) * 1e3:.1f} -> {p99(loud[1]) * 1e3:.1f} ms"
                f" (x{ratios[1]:.2f}), {waiting} operations waiting at the hanging provider"
            )
        assert {answer.status_code for answer in answers} <= {201, 503}
        assert all(answer.json().get("state", "provisioning") == "provisioning" for answer in answers)
        assert waiting > 0
