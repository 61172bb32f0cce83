"""A provider program that does what it should, or one of the many things that real ones do instead.

Run as `python -m tests.chaos.provider FOLDER PORT`. The first part of the path chooses the behaviour; each resource is a file
in FOLDER, so that what exists survives any kill. Idempotent by uuid, as the contract asks, except where it lies.
"""

import asyncio
import json
import random
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

FAULTS_BEFORE = ("refused", "unavailable", "error", "throttled", "html", "redirect", "timeout_status", "hang", "reset")
"""What may happen instead of the effect."""

FAULTS_AFTER = ("error_after", "malformed_after", "hang_after", "reset_after", "oversized_after", "html_after")
"""What may happen once the effect has taken place: the broker cannot know."""

HANG_S = 3.0


class Resources:
    """One folder of files: name is the uuid, content the plan."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, service: str, uuid: str, plan: str) -> None:
        (self.folder / f"{service}.{uuid}").write_text(plan)

    def drop(self, service: str, uuid: str) -> None:
        (self.folder / f"{service}.{uuid}").unlink(missing_ok=True)

    def all(self) -> dict[str, str]:
        """Plan by uuid."""
        return {path.name.partition(".")[2]: path.read_text() for path in self.folder.iterdir()}


class Reset(Exception):
    """Close the connection without an answer."""


def program(resources: Resources, chance: random.Random) -> FastAPI:
    """The provider as an application."""
    app = FastAPI(openapi_url=None)

    @app.post("/{service}/heroku/resources")
    async def provision(service: str, request: Request) -> Response:
        body = json.loads(await request.body())
        uuid, plan = str(body["uuid"]), str(body["plan"])
        config = {f"{service.upper()}_URL": f"{service}://canary-{uuid}/{plan}"}
        answer = JSONResponse({"id": f"r-{uuid}", "config": config, "message": "Here you are."})
        return await misbehave(service, chance, lambda: resources.put(service, uuid, plan), answer)

    @app.put("/{service}/heroku/resources/{uuid}")
    async def change_plan(service: str, uuid: str, request: Request) -> Response:
        plan = str(json.loads(await request.body())["plan"])
        answer = JSONResponse({"config": {f"{service.upper()}_URL": f"{service}://canary-{uuid}/{plan}"}})
        return await misbehave(service, chance, lambda: resources.put(service, uuid, plan), answer)

    @app.delete("/{service}/heroku/resources/{uuid}")
    async def deprovision(service: str, uuid: str) -> Response:
        return await misbehave(service, chance, lambda: resources.drop(service, uuid), Response(status_code=204))

    return app


async def misbehave(service: str, chance: random.Random, effect: Callable[[], None], answer: Response) -> Response:
    """Answer as the service's name promises: `good` always right, `slow` late, `flaky` anyhow, `hanging` never."""
    if service == "hanging":
        await asyncio.sleep(HANG_S)
    if service == "slow":
        await asyncio.sleep(chance.uniform(0.1, 0.6))
    if service != "flaky" or chance.random() < 0.5:
        effect()
        return answer
    fault = chance.choice(FAULTS_BEFORE + FAULTS_AFTER)
    if fault in FAULTS_AFTER:
        effect()
    return await _FAULTS[fault.removesuffix("_after")]()


async def _refused() -> Response:
    return JSONResponse({"message": "Not today."}, 422)


async def _unavailable() -> Response:
    return JSONResponse({"message": "Come back later."}, 503)


async def _error() -> Response:
    return JSONResponse({"error": "oops"}, 500)


async def _throttled() -> Response:
    return Response(status_code=429, headers={"retry-after": "1"})


async def _html() -> Response:
    return HTMLResponse("<h1>Welcome to nginx</h1>")


async def _redirect() -> Response:
    return RedirectResponse("/elsewhere", 302)


async def _timeout_status() -> Response:
    return Response(status_code=408)


async def _malformed() -> Response:
    return JSONResponse({"id": ["not", "an", "id"], "config": 7})


async def _oversized() -> Response:
    return Response(b"x" * 3_000_000)


async def _hang() -> Response:
    await asyncio.sleep(HANG_S)
    return Response(status_code=500)


async def _reset() -> Response:
    raise Reset


_FAULTS: dict[str, Callable[[], Awaitable[Response]]] = {
    "refused": _refused,
    "unavailable": _unavailable,
    "error": _error,
    "throttled": _throttled,
    "html": _html,
    "redirect": _redirect,
    "timeout_status": _timeout_status,
    "malformed": _malformed,
    "oversized": _oversized,
    "hang": _hang,
    "reset": _reset,
}


def main() -> None:
    folder, port, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    app = program(Resources(folder), random.Random(seed))

    @app.exception_handler(Reset)
    async def reset(request: Request, _error: Exception) -> Response:
        transport = request.scope["extensions"]["chaos"]["transport"]
        transport.abort()
        return Response()

    uvicorn.run(_WithTransport(app), host="127.0.0.1", port=port, log_level="critical", access_log=False)


class _WithTransport:
    """Hands the connection to the application, so that it can be cut."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        if scope["type"] == "http":
            owner = getattr(send, "__self__", None)
            scope.setdefault("extensions", {})["chaos"] = {"transport": getattr(owner, "transport", None)}
        await self._app(scope, receive, send)


if __name__ == "__main__":
    main()
