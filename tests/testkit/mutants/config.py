"""Wrong in the config vars that they give."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from tests.testkit.mutants.registry import breaks
from tests.testkit.shelf import Shelf


@breaks("The config in the answer is a map of names to strings.", config_vars=["SHELF_URL", "SHELF_PORT"])
class GivesNumbers(Shelf):
    def config(self, uuid: str) -> Any:
        return {**super().config(uuid), "SHELF_PORT": 4711}


@breaks(
    "Every config var that is given is declared in the manifest.",
    "Config in the answer to a plan change is declared in the manifest.",
)
class GivesWhatItDidNotDeclare(Shelf):
    def config(self, uuid: str) -> Any:
        return {**super().config(uuid), "SHELF_TOKEN": self.secret(uuid)}


@breaks("Config in the answer to a plan change is declared in the manifest.")
class GivesMoreWithAPlan(Shelf):
    async def change_plan(self, uuid: str, body: dict[str, Any]) -> Response:
        await super().change_plan(uuid, body)
        return JSONResponse({"config": {"SHELF_SIZE": "large"}})


@breaks(warning=("Every config var of the manifest is given.",), config_vars=["SHELF_URL", "SHELF_TOKEN"])
class ForgetsAName(Shelf):
    pass


@breaks("The addresses in config work: a connection can be made to each.", "The config works after a plan change.")
class GivesAWrongPassword(Shelf):
    def config(self, uuid: str) -> Any:
        return {"SHELF_URL": self.address(self.secret(uuid)[::-1])}


@breaks("The config works after a plan change.")
class LocksOutAfterAPlanChange(Shelf):
    async def change_plan(self, uuid: str, body: dict[str, Any]) -> Response:
        answer = await super().change_plan(uuid, body)
        self.admitted.discard(self.secret(uuid))
        return answer
