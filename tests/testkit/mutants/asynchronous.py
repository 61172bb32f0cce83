"""Wrong in what they accept with 202 and finish later."""

from __future__ import annotations

from typing import Any

import httpx
from starlette.responses import JSONResponse, Response

from broker.testkit.probe import Limits
from tests.testkit.mutants.registry import breaks
from tests.testkit.shelf import Shelf


@breaks(
    "A provision that is accepted with 202 is finished by a call to actions/provision.",
    later=True,
    limits=Limits(timeout_s=1.5, pause_s=0.01),
)
class NeverFinishes(Shelf):
    async def finish(self, uuid: str, body: dict[str, Any]) -> None:
        pass

    async def deprovision(self, uuid: str) -> Response:
        self.tokens.clear()
        return await super().deprovision(uuid)


@breaks(warning=("An answer of 202 holds no config, which would be lost.",), later=True)
class GivesConfigTooEarly(Shelf):
    async def provision(self, body: dict[str, Any]) -> Response:
        answer = await super().provision(body)
        uuid = self.uuid_of(body)
        return JSONResponse({"id": uuid, "config": self.config(uuid)}, 202) if answer.status_code == 202 else answer


@breaks("The grant is exchanged as the contract says: grant_type, code and client_secret.", later=True)
class ExchangesTwice(Shelf):
    async def finish(self, uuid: str, body: dict[str, Any]) -> None:
        await super().finish(uuid, body)
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            url = httpx.URL(body["callback_url"]).copy_with(path="/oauth/token")
            await client.post(url, data=self.grant(body))


@breaks("Every other call of the provider to the broker is one that the broker takes.", later=True)
class SetsWhatItDidNotDeclare(Shelf):
    def late_configs(self, uuid: str) -> list[dict[str, str]]:
        return [{"SHELF_TOKEN": self.secret(uuid)}, *super().late_configs(uuid)]
