"""Wrong when a provision is repeated."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from starlette.responses import JSONResponse, Response

from tests.testkit.mutants.registry import Broken, breaks
from tests.testkit.shelf import PLANS, Refusal, Shelf


@breaks(
    "The same provision again is answered like the first, with the same id.",
    "The same uuid with another plan makes no second resource.",
    "The same provision several times at once makes one resource.",
)
class MakesOneForEachCall(Shelf):
    """Under an id of its own, so that the repeated ones are never deleted."""

    def provisioned(self, uuid: str) -> Response:
        return JSONResponse({"id": str(uuid4()), "config": self.config(uuid)}, 201)


@breaks("The same provision again is answered like the first, with the same id.")
class TakesARepetitionForAnError(Shelf):
    async def provision(self, body: dict[str, Any]) -> Response:
        item = self.items.get(self.uuid_of(body))
        if item and not item.gone and item.plan == body["plan"]:
            raise Refusal(422, "There is one already.")
        return await super().provision(body)


@breaks("The same provision again gives the same config.", "The same uuid with another plan makes no second resource.",
        "The same provision several times at once makes one resource.")  # fmt: skip
class GivesANewLoginEachTime(Shelf):
    def provisioned(self, uuid: str) -> Response:
        fresh = uuid4().hex
        self.admitted.add(fresh)
        self.more.setdefault(uuid, set()).add(fresh)
        return JSONResponse({"id": uuid, "config": {"SHELF_URL": self.address(fresh)}}, 201)

    async def revoke(self, uuid: str, rotation: str) -> Response:
        self.admitted -= self.more[uuid]
        return await super().revoke(uuid, rotation)

    async def deprovision(self, uuid: str) -> Response:
        self.admitted -= self.more.get(uuid, set())
        return await super().deprovision(uuid)


@breaks("The same uuid with another plan makes no second resource.")
class StumblesOverAnotherPlan(Shelf):
    async def provision(self, body: dict[str, Any]) -> Response:
        item = self.items.get(self.uuid_of(body))
        if item and not item.gone and item.plan != body["plan"] and body["plan"] in PLANS:
            raise Broken
        return await super().provision(body)
