"""The outermost layer around every request, as pure ASGI: request ids, bounds on requests, and the last catch of the unexpected."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime
from math import ceil
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from broker.accounts.tokens import token_hash
from broker.faces.answers import Answer
from broker.faces.asking import wants_page
from broker.faces.credentials import parse
from broker.faces.errors import error_body, refusal
from broker.faces.shield import shield
from broker.kernel.clock import Clock
from broker.kernel.errors import Overloaded, RateLimited
from broker.kernel.origin import Origin, bound_origin
from broker.kernel.outage import BUSY
from broker.kernel.places import Places
from broker.platform_api.rates import RateLimits, Tally

_UNCOUNTED: Final = re.compile(r"/account/rate-limits|/health|/openapi\.json|/static/.*")
_TOO_MANY: Final = "Your account reached the API rate limit. Please wait a few minutes before making new requests."
_NO_NAME: Final = "\ufffd"
"""Stands in addresses for NUL, which no column can hold: nothing is called so, and every endpoint says that in its own way."""
_QUOTED_NO_NAME: Final = quote(_NO_NAME).encode()
_log = structlog.get_logger()


Explain = Callable[[int, str], ASGIApp]
"""Makes a page of a status and a sentence, for whoever asks with a browser."""


class Edge:
    """Gives each request an id, counts it, shields its answer, and turns what nobody expected into a 500 without values."""

    def __init__(
        self,
        app: ASGIApp,
        rates: RateLimits,
        places: Places,
        clock: Clock,
        explain: Explain | None = None,
        *,
        is_https: bool = False,
    ) -> None:
        self._app = app
        self._is_https = is_https
        self._explain = explain
        self._rates = rates
        self._places = places
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":  # whatever answers GET answers HEAD: the same, but for the body
            scope, send = {**scope, "method": "GET"}, _without_bodies(send)
        passage = _Passage(scope, send, self._rates, self._clock.now(), is_https=self._is_https)
        with structlog.contextvars.bound_contextvars(request_id=passage.request_id), bound_origin(passage.origin):
            await self._pass(passage, receive)

    async def _pass(self, passage: _Passage, receive: Receive) -> None:
        counted = not _UNCOUNTED.fullmatch(passage.scope["path"])
        room = not counted or not self._places.full()
        allowed = not counted or not room or passage.tally.take()
        passage.scope["state"]["remaining"] = passage.tally.remaining
        try:
            if not room:
                await self._refuse(passage, receive, refusal(Overloaded(BUSY)), BUSY)
            elif not allowed:
                await self._refuse(passage, receive, self._too_many(), _TOO_MANY)
            else:
                with self._places.one():
                    await self._app(passage.scope, receive, passage.send)
        except ClientDisconnect:
            _log.debug("request.abandoned", **passage.facts())  # nobody is there to be answered
        except Exception as error:  # the boundary: whatever it is, the client gets an answer
            _log.error("request.failed", error=type(error).__name__, at=_origin(error), **passage.facts())
            await self._refuse(passage, receive, *passage.failure())
        else:
            _log.debug("request.answered", **passage.facts())

    async def _refuse(self, passage: _Passage, receive: Receive, answer: Answer, text: str) -> None:
        """Answer for the application: with a page where a person asks."""
        shown: ASGIApp = answer
        if self._explain is not None and wants_page(Headers(scope=passage.scope)):
            shown = self._explain(answer.status_code, text)
        await shown(passage.scope, receive, passage.send)

    def _too_many(self) -> Answer:
        answer = refusal(RateLimited(_TOO_MANY))
        answer.headers["Retry-After"] = str(ceil(self._rates.retry_after.total_seconds()))
        return answer


class _Passage:
    """One request on its way through."""

    def __init__(self, scope: Scope, send: Send, rates: RateLimits, now: datetime, *, is_https: bool) -> None:
        credentials = parse(Headers(scope=scope).get("authorization"))
        self.scope = scope
        scope["path"] = scope["path"].replace("\0", _NO_NAME)
        scope["query_string"] = scope.get("query_string", b"").replace(b"%00", _QUOTED_NO_NAME)
        request_id = uuid4()
        self.request_id = str(request_id)
        client = scope.get("client")
        self.origin = Origin(client[0] if client else None, request_id)
        token = None if credentials is None else token_hash(credentials.secret.reveal())
        self.tally = Tally(rates, self.origin.place or "", token, now)
        self._send = send
        self._is_https = is_https
        self._status: int | None = None
        self._began = time.perf_counter()
        state = scope.setdefault("state", {})
        state.update(credentials=credentials, request_id=self.request_id, vouch=self.tally.vouch)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["Request-Id"] = self.request_id
            headers["RateLimit-Remaining"] = str(self.tally.remaining)
            shield(headers, is_https=self._is_https)
        await self._send(message)

    def failure(self) -> tuple[Answer, str]:
        """The answer 500 and its sentence, unless an answer has begun: then the connection is all that can be broken."""
        if self._status is not None:
            raise ConnectionAbortedError("the answer was cut off by an error")
        text = (
            f"The broker failed to handle this request. Its operator finds the reason under request {self.request_id}."
        )
        return Answer(error_body("internal_error", text, request_id=self.request_id), 500), text

    def facts(self) -> dict[str, Any]:
        """What may be logged of a request: the route and not the path, which may hold anything."""
        route = getattr(self.scope.get("route"), "path", None)
        took = round((time.perf_counter() - self._began) * 1000, 1)
        return {"method": self.scope["method"], "route": route, "status": self._status, "ms": took}


def _without_bodies(send: Send) -> Send:
    """Sends the head of an answer, and no part of its body; an answer that would go on is over with that."""

    async def only_heads(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b""})

    return only_heads


def _origin(error: BaseException) -> list[str]:
    """Where it was raised, as file and line: never the message or a variable, which may hold a secret."""
    places, trace = [], error.__traceback__
    while trace is not None:
        places.append(f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return places[-8:]
