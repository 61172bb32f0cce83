"""What every request passes through: a bound on its body, one line in the log, and no traceback for its sender."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("provider")


class BodyTooLarge(Exception):
    """The sender sent more than the path takes; raised while reading, answered here."""


class Boundary:
    """ASGI middleware. `limits` maps a path prefix to the bytes a body may have below it; the longest prefix counts."""

    def __init__(self, app: ASGIApp, limits: Mapping[str, int]) -> None:
        self._app = app
        self._limits = sorted(limits.items(), key=lambda item: -len(item[0]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, _bounded(receive, self._limit(scope["path"])), noting)
        except BodyTooLarge:
            if not status:
                await _say(noting, 413, "The request body is too large.")
        except Exception:  # the last line: whatever a bug raises, the sender gets a sentence and the log the traceback
            log.exception("request failed")
            if not status:
                await _say(noting, 503, "The service cannot answer at the moment. Please try again later.")
        finally:
            # The path alone: a query string may carry what no log should keep. Supervisors ask for health all the time.
            elapsed = (time.monotonic() - started) * 1000
            level = logging.DEBUG if scope["path"] == "/health" and status == 200 else logging.INFO
            log.log(level, "%s %s %d %.0f ms", scope["method"], ascii(scope["path"])[1:-1], status, elapsed)

    def _limit(self, path: str) -> int:
        return next(limit for prefix, limit in self._limits if path.startswith(prefix))


def _bounded(receive: Receive, limit: int) -> Receive:
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise BodyTooLarge
        return message

    return bounded


async def _say(send: Send, status: int, message: str) -> None:
    body = json.dumps({"message": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
