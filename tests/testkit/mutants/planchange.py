"""Wrong in how they change plans."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from tests.testkit.mutants.registry import breaks
from tests.testkit.shelf import PLANS, Refusal, Shelf


@breaks("A change to another plan succeeds with 200, 202 or 204.")
class ChangesNoPlans(Shelf):
    async def change_plan(self, uuid: str, body: dict[str, Any]) -> Response:
        if self.known(uuid).plan != body["plan"] and body["plan"] in PLANS:
            raise Refusal(422, "No changes, please.")
        return await super().change_plan(uuid, body)


@breaks("The new plan is kept: the list of resources shows it.")
class LosesAPlanChange(Shelf):
    async def change_plan(self, uuid: str, body: dict[str, Any]) -> Response:
        before = self.known(uuid).plan
        answer = await super().change_plan(uuid, body)
        self.items[uuid].plan = before
        return answer


@breaks("The same plan again changes nothing and succeeds.")
class RefusesThePlanItHas(Shelf):
    async def change_plan(self, uuid: str, body: dict[str, Any]) -> Response:
        if self.known(uuid).plan == body["plan"]:
            raise Refusal(422, "It has that plan.")
        return await super().change_plan(uuid, body)


@breaks("A change back succeeds, or is refused with a sentence for the user.")
class RefusesSmallerPlansInSilence(Shelf):
    async def change_plan(self, uuid: str, body: dict[str, Any]) -> Response:
        if (self.known(uuid).plan, body["plan"]) == ("maxi", "mini"):
            raise Refusal(422, None)
        return await super().change_plan(uuid, body)


@breaks("A change to a plan that does not exist is refused with 422 and a sentence.")
class ChangesToAnything(Shelf):
    async def change_plan(self, uuid: str, body: dict[str, Any]) -> Response:
        if body["plan"] not in PLANS:
            self.known(uuid)
            return JSONResponse({})
        return await super().change_plan(uuid, body)


@breaks("A plan change of an unknown resource is refused with 404.")
class ChangesPlansOfNothing(Shelf):
    async def change_plan(self, uuid: str, body: dict[str, Any]) -> Response:
        return await super().change_plan(uuid, body) if uuid in self.items else JSONResponse({})
