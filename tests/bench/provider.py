"""A provider that answers at once: the least program that speaks the partner's side. `GET /spent` tells its own time."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import uvicorn

SLUG = "bench"
METERED, METER = "payg", "requests"
PASSWORD = "password-of-the-bench-provider"
SLUGS = [SLUG, *(f"{SLUG}{number}" for number in range(2, 6))]
"""Several services, because the broker bounds how often it calls one of them (see `broker/addons/gate.py`)."""


class Provider:
    """Provisions whatever it is asked for, and adds up the seconds between request and answer."""

    def __init__(self) -> None:
        self.calls = 0
        self.spent_s = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        began = time.perf_counter()
        if scope["method"] == "GET":
            await _answer(send, {"calls": self.calls, "spent_s": self.spent_s})
            return
        asked = json.loads((await receive())["body"])
        slug = scope["path"].split("/")[1]
        answer = {"id": asked["uuid"], "config": {f"{slug.upper()}_URL": f"bench://127.0.0.1/{asked['uuid']}"}}
        await _answer(send, answer)
        self.calls += 1
        self.spent_s += time.perf_counter() - began


async def _answer(send: Any, value: object) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})


_METER = {"name": METER, "label": "Requests", "unit_price": "0.0012", "included": "1000"}


def manifest(slug: str, port: int) -> dict[str, Any]:
    """What one service of the provider on this port is published with."""
    origin = f"http://127.0.0.1:{port}/{slug}"
    return {
        "id": slug,
        "name": "Bench",
        "capabilities": ["usage"],
        "api": {
            "version": "3",
            "password": PASSWORD,
            "sso_salt": "salt-of-the-bench-provider",
            "config_vars": [f"{slug.upper()}_URL"],
            "config_vars_prefix": slug.upper(),
            "regions": ["us", "eu"],
            "requires": ["many_per_app", "attachable"],
            "production": {"base_url": f"{origin}/resources", "sso_url": f"{origin}/sso"},
        },
        "plans": [
            {"name": "free", "human_name": "Free", "price_cents": 0, "default": True},
            {"name": "paid", "human_name": "Paid", "price_cents": 900},
            {"name": METERED, "human_name": "Metered", "price_cents": 0, "meters": [_METER]},
        ],
    }


if __name__ == "__main__":
    config = uvicorn.Config(Provider(), port=int(sys.argv[1]), log_level="critical", access_log=False, lifespan="off")
    asyncio.run(uvicorn.Server(config).serve())
