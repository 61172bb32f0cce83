"""Wrong in how they refuse."""

from __future__ import annotations

from typing import Any

from starlette.responses import PlainTextResponse, Response

from tests.testkit.mutants.registry import Broken, breaks
from tests.testkit.shelf import PLANS, Shelf


@breaks("A provision on a plan that does not exist is refused with 422.")
class ProvisionsAnyPlan(Shelf):
    async def provision(self, body: dict[str, Any]) -> Response:
        return await super().provision({**body, "plan": body.get("plan") if body.get("plan") in PLANS else "mini"})


@breaks("A refusal has a sentence for the user.")
class RefusesInSilence(Shelf):
    def refusal(self, status: int, message: str | None) -> Response:
        is_of_a_plan = self.method == "POST" and (message or "").startswith("There is no plan")
        return super().refusal(status, None if is_of_a_plan else message)


@breaks("A body that makes no sense is refused with 400 or 422, and is no error of the program.")
class BreaksOnNonsense(Shelf):
    def parse(self, body: bytes) -> dict[str, Any]:
        if not body.startswith(b"{"):
            raise Broken
        return super().parse(body)


@breaks("No answer gives away the inside of the program.")
class ShowsItsTracebacks(Shelf):
    def refusal(self, status: int, message: str | None) -> Response:
        if status != 404:
            return super().refusal(status, message)
        return PlainTextResponse('Traceback (most recent call last):\n  File "shelf.py", line 1', 404)
