"""The oldest form of the protocol: the provider's own number in the URLs, one string for all URLs, sign-on by GET."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import uuid4

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from broker.testkit.run import examine
from broker.testkit.subject import subject
from tests.testkit.shelf import SALT, Refusal, Shelf, manifest
from tests.testkit.trying import LIMITS, offered, wrong


class OldShelf(Shelf):
    """Knows its resources by numbers, answers a delete with 200 and nothing, and reads the token that is for the number."""

    def provisioned(self, uuid: str) -> Response:
        return JSONResponse({"id": self.number(uuid), "config": self.config(uuid)})

    def number(self, uuid: str) -> int:
        return list(self.items).index(uuid) + 1

    def uuid_at(self, number: str) -> str:
        return list(self.items)[int(number) - 1] if number.isdigit() and 0 < int(number) <= len(self.items) else ""

    async def change_plan(self, uuid: str, body: dict[str, Any]) -> Response:
        assert {"plan", "heroku_id", "uuid"} <= set(body)
        await super().change_plan(self.uuid_at(uuid), body)
        return Response("ok", media_type="application/json")

    async def deprovision(self, uuid: str) -> Response:
        await super().deprovision(self.uuid_at(uuid))
        return Response()

    async def sign_on_by_get(self, request: Request) -> Response:
        number, query = request.path_params["uuid"], dict(request.query_params)
        assert set(query) <= {"token", "timestamp", "nav-data", "email", "app"}
        return await self.sign_on({**query, "resource_id": self.uuid_at(number), "id": number})

    def check_token(self, form: dict[str, str]) -> None:
        right = hashlib.sha1(f"{form['id']}:{SALT}:{form['timestamp']}".encode()).hexdigest()
        self.compare(form, "token", right)

    def app(self) -> Starlette:
        app = super().app()
        app.router.routes.insert(0, Route("/heroku/resources/{uuid}", self.sign_on_by_get, methods=["GET"]))
        return app


async def test_a_provider_of_the_oldest_style_passes() -> None:
    shelf = OldShelf()
    async with offered(shelf) as origin:
        data = manifest(origin, version=None, production=origin)
        del data["capabilities"]
        results = await examine(subject(data), limits=LIMITS)
    assert wrong(results) == {"The id in the answer is a string.": "warn"}
    assert all(item.gone for item in shelf.items.values())
    signed = next(result for result in results if result.name == "A signed form signs the user in.")
    assert signed.sent is not None
    assert signed.sent.startswith(f"GET {origin}/heroku/resources/1?token=***&timestamp=")


async def test_a_forged_sign_on_by_get_is_found() -> None:
    class Careless(OldShelf):
        def compare(self, form: dict[str, str], name: str, right: str) -> None:
            if len(form.get(name, "")) != len(right):
                raise Refusal(403, "The link is not valid.")

    async with offered(Careless()) as origin:
        data = manifest(origin, version=None, production=origin)
        results = await examine(subject(data), limits=LIMITS, groups=("sso",))
    assert wrong(results) == dict.fromkeys(
        (
            "A form with forged tokens is refused with 403.",
            "A form whose tokens are for another resource is refused with 403.",
        ),
        "fail",
    )


async def test_what_was_made_twice_is_removed_twice() -> None:
    class Forgetful(OldShelf):
        """Makes one for each call, whatever its uuid."""

        async def provision(self, body: dict[str, Any]) -> Response:
            return await super().provision({**body, "uuid": str(uuid4())})

    shelf = Forgetful()
    async with offered(shelf) as origin:
        data = manifest(origin, version=None, production=origin)
        results = await examine(subject(data), limits=LIMITS, groups=("provision", "idempotency"))
    told = wrong(results)
    assert told["The same provision again is answered like the first, with the same id."] == "fail"
    assert "Everything that the kit made is removed again." not in told
    assert all(item.gone for item in shelf.items.values())
