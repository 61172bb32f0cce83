"""Wrong in what a provision answers."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from tests.testkit.mutants.registry import breaks
from tests.testkit.shelf import Refusal, Shelf


@breaks("A provision with the right credentials succeeds with 201, 200 or 202.")
class RefusesEverything(Shelf):
    async def provision(self, body: dict[str, Any]) -> Response:
        raise Refusal(422, "Sold out.")


@breaks("The answer to a provision is a JSON object with an id.")
class GivesNoId(Shelf):
    def provisioned(self, uuid: str) -> Response:
        return JSONResponse({"config": self.config(uuid)}, 201)


@breaks("The answer to a provision is a JSON object with an id.", config_vars=[])
class AnswersText(Shelf):
    def config(self, uuid: str) -> Any:
        return {}

    def provisioned(self, uuid: str) -> Response:
        return Response("ok", 201, media_type="application/json")


@breaks(warning=("The id in the answer is a string.",))
class CountsItsResources(Shelf):
    def provisioned(self, uuid: str) -> Response:
        number = list(self.items).index(uuid) + 1
        return JSONResponse({"id": number, "config": self.config(uuid)}, 201)


@breaks(warning=("The answer says that it is JSON.",))
class SaysThatItIsHtml(Shelf):
    def provisioned(self, uuid: str) -> Response:
        return Response(super().provisioned(uuid).body, 201, media_type="text/html")


@breaks("The message in the answer, if there is one, is a text.")
class HasStructuredMessages(Shelf):
    def provisioned(self, uuid: str) -> Response:
        return JSONResponse({"id": uuid, "config": self.config(uuid), "message": {"en": "Enjoy."}}, 201)


@breaks("Fields that the provider does not know are ignored.")
class WantsKnownFieldsOnly(Shelf):
    async def provision(self, body: dict[str, Any]) -> Response:
        known = {"uuid", "name", "plan", "region", "options", "callback_url", "oauth_grant"}
        if not set(body) <= known:
            raise Refusal(422, "There is a field too many.")
        return await super().provision(body)


@breaks("The list of resources holds the new one.")
class ListsNothing(Shelf):
    async def list_resources(self) -> Response:
        return JSONResponse([])
