"""Too slow, or wrong when several ask at once."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

from starlette.responses import JSONResponse, Response

from broker.testkit.probe import Limits
from tests.testkit.mutants.registry import Broken, breaks
from tests.testkit.shelf import Shelf


class _Slow(Shelf):
    async def list_resources(self) -> Response:
        await asyncio.sleep(0.3)
        return await super().list_resources()


@breaks("Every answer comes within 25 seconds.", limits=Limits(timeout_s=30, good_s=0.1, most_s=0.2))
class IsMuchTooSlow(_Slow):
    pass


@breaks(warning=("Every answer comes within 3 seconds.",), limits=Limits(timeout_s=30, good_s=0.2, most_s=20))
class IsSlow(_Slow):
    pass


class _Counting(Shelf):
    at_once = 0

    async def provision(self, body: dict[str, Any]) -> Response:
        self.at_once += 1
        await asyncio.sleep(0.02)  # as long as building takes, so that calls meet
        try:
            return await self.counted(body, self.at_once)
        finally:
            self.at_once -= 1

    async def counted(self, body: dict[str, Any], at_once: int) -> Response:
        return await super().provision(body)


@breaks("Several provisions at once all succeed.", "The same provision several times at once makes one resource.")
class DoesOneThingAtATime(_Counting):
    async def counted(self, body: dict[str, Any], at_once: int) -> Response:
        if at_once > 1:
            raise Broken
        return await super().counted(body, at_once)


@breaks("Several provisions at once make as many resources, each with its own config.")
class GivesEverybodyTheSameLogin(Shelf):
    def password(self, uuid: str, generation: int) -> str:
        return f"the-login-of-everybody-{generation}"


@breaks("The same provision several times at once makes one resource.")
class LooksAndThenMakes(_Counting):
    """Without a lock: each of several calls at once finds nothing, and makes one."""

    async def counted(self, body: dict[str, Any], at_once: int) -> Response:
        uuid = self.uuid_of(body)
        is_new = uuid not in self.items
        await asyncio.sleep(0.02)
        answer = await super().counted(body, at_once)
        if is_new and uuid in self.made:
            return JSONResponse({"id": str(uuid4()), "config": self.config(uuid)}, 201)
        self.made.add(uuid)
        return answer
