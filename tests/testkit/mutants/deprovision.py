"""Wrong in how they remove, and in what is left."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from broker.testkit.probe import Limits
from tests.testkit.mutants.registry import Broken, breaks
from tests.testkit.shelf import Item, Refusal, Shelf


@breaks("A delete succeeds with 204 or 200.", "Everything that the kit made is removed again.")
class DeletesNothing(Shelf):
    async def deprovision(self, uuid: str) -> Response:
        self.known(uuid)
        raise Refusal(503, "Not today.")


@breaks(
    "A delete that is accepted with 202 is finished by a call to actions/deprovision.",
    "Everything that the kit made is removed again.",
    later=True,
    limits=Limits(timeout_s=1.5, pause_s=0.01),
)
class NeverEndsARemoval(Shelf):
    async def end(self, uuid: str) -> None:
        pass

    async def deprovision(self, uuid: str) -> Response:
        if uuid in self.items and self.items[uuid].gone:
            return Response(status_code=202)
        return await super().deprovision(uuid)


@breaks("A second delete is answered with 410, 404 or success.")
class FailsAtTheSecondDelete(Shelf):
    async def deprovision(self, uuid: str) -> Response:
        if uuid in self.items and self.items[uuid].gone:
            raise Broken
        return await super().deprovision(uuid)


@breaks("A delete of an unknown resource is answered with 404, 410 or success.")
class FailsAtTheUnknown(Shelf):
    async def deprovision(self, uuid: str) -> Response:
        if uuid not in self.items:
            raise Broken
        return await super().deprovision(uuid)


@breaks("The list of resources does not hold what is gone.")
class ListsWhatIsGone(Shelf):
    async def list_resources(self) -> Response:
        return JSONResponse([{"uuid": uuid, "plan": item.plan} for uuid, item in self.items.items()])


@breaks("Nobody is signed in to what is gone.")
class SignsOnToWhatIsGone(Shelf):
    def known_to_browser(self, uuid: str) -> None:
        if uuid not in self.items:
            raise Refusal(404, "There is no such resource.")


@breaks(warning=("The credentials of what is gone do not work any more.",))
class RevokesNothing(Shelf):
    async def deprovision(self, uuid: str) -> Response:
        answer = await super().deprovision(uuid)
        self.admitted.add(self.secret(uuid))
        return answer


@breaks(warning=("A late provision of what is gone makes nothing anew.",))
class BringsBackWhatIsGone(Shelf):
    def return_of(self, uuid: str, body: dict[str, Any]) -> Response:
        self.items[uuid] = Item(body["plan"])
        return self.provisioned(uuid)


@breaks("Everything that the kit made is removed again.")
class KeepsEverySecond(Shelf):
    """The removals of what was made besides the main resource fail for good."""

    async def deprovision(self, uuid: str) -> Response:
        main = next(iter(self.items), None)
        if uuid in self.items and uuid != main:
            raise Refusal(503, "Not today.")
        return await super().deprovision(uuid)
