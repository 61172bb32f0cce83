"""The `Idempotency-Key` header: a POST that is sent again makes nothing twice."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from uuid import UUID

from fastapi import Request

from broker.accounts.idempotency import Begun, begin, finish
from broker.faces.answers import Answer
from broker.kernel.context import Actor
from broker.kernel.errors import BrokerError, DatabaseUnavailable, NotFound
from broker.kernel.ids import new_id
from broker.platform_api.deps import Body, face_of


async def once(
    request: Request,
    actor: Actor,
    body: Body,
    make: Callable[[UUID], Awaitable[tuple[UUID, Answer]]],
    again: Callable[[UUID], Awaitable[Answer]],
) -> Answer:
    """`make` at the first time, `again` with the id of what was made at a repetition. Without the header: just `make`.

    `make` is given the id for what it makes: whoever takes over from a process that died finds it under that id.

    Raises: InvalidParams, Conflict.
    """
    key = ", ".join(request.headers.getlist("idempotency-key"))  # of several keys, none can be the one that is meant
    if "idempotency-key" not in request.headers:
        return (await make(new_id()))[1]
    ctx = face_of(request).ctx
    begun = await begin(ctx, actor, key, _digest(request, body))
    if isinstance(begun, UUID):
        return await again(begun)
    try:
        subject_id, answer = await _made(begun, make, again)
    except DatabaseUnavailable:
        raise  # perhaps on the way back, after something was made: as below
    except BrokerError:
        # After anything else nobody knows what was made: the key then stays taken until it counts as abandoned.
        await finish(ctx, actor, key, None)
        raise
    await finish(ctx, actor, key, subject_id)
    return answer


async def _made(
    begun: Begun, make: Callable[[UUID], Awaitable[tuple[UUID, Answer]]], again: Callable[[UUID], Awaitable[Answer]]
) -> tuple[UUID, Answer]:
    if begun.taken_over:
        try:
            return begun.reserved_id, await again(begun.reserved_id)
        except NotFound:
            pass  # the attempt that died had made nothing
    return await make(begun.reserved_id)


def _digest(request: Request, body: Body) -> bytes:
    text = "\n".join((request.method, request.url.path, body.model_dump_json()))
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
