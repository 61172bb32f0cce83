"""`python -m embedded.gateway`: serve until a signal. Everything is told by the environment: `PAYMENT_GATEWAY_*`."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from embedded.gateway import api, pages
from embedded.gateway.bank import Bank
from embedded.gateway.store import Store
from embedded.gateway.webhooks import keep_telling


@dataclass(frozen=True)
class Told:
    """What the gateway is told at its start."""

    home: Path
    host: str
    port: int
    key: str
    webhook_url: str | None
    webhook_secret: str
    delay_s: float


def told() -> Told:
    """What stands in the environment."""
    given = {name.removeprefix("PAYMENT_GATEWAY_"): value for name, value in os.environ.items()}
    return Told(
        home=Path(given["HOME_DIRECTORY"]),
        host=given.get("HOST", "127.0.0.1"),
        port=int(given["PORT"]),
        key=given["KEY"],
        webhook_url=given.get("WEBHOOK_URL"),
        webhook_secret=given["WEBHOOK_SECRET"],
        delay_s=float(given.get("DELAY_S", "2")),
    )


def create_app(given: Told, clock: Callable[[], float] = time.time) -> FastAPI:
    """The gateway as an application."""
    given.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    bank = Bank(Store(given.home / "gateway.sqlite"), f"http://{given.host}:{given.port}", clock, given.delay_s)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        telling = asyncio.create_task(keep_telling(bank, given.webhook_url, given.webhook_secret, clock))
        yield
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
        bank.store.close()

    app = FastAPI(title="Local payment gateway", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.bank, app.state.key = bank, given.key
    for router in (api.router, pages.router):
        app.include_router(router)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    return app


if __name__ == "__main__":
    os.umask(0o077)
    it = told()
    uvicorn.run(create_app(it), host=it.host, port=it.port, log_level="warning", timeout_graceful_shutdown=2)
