"""The gateway's API: Stripe's paths, forms, errors and idempotency keys, as far as the broker uses them."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from embedded.gateway.bank import Bank, Disputes, Refused, shown
from embedded.gateway.store import Thing

router = APIRouter(prefix="/v1")
_BODY_LIMIT: Final = 64 * 1024


@router.post("/customers")
async def make_customer(request: Request) -> Response:
    return await _once(request, lambda bank, asked: bank.make_customer(asked))


@router.post("/checkout/sessions")
async def open_session(request: Request) -> Response:
    return await _once(request, lambda bank, asked: bank.open_session(asked))


@router.get("/checkout/sessions/{id_}")
async def session(request: Request, id_: str) -> Response:
    return _read(request, lambda bank: bank.session(id_, expanded=True))


@router.get("/payment_methods/{id_}")
async def method(request: Request, id_: str) -> Response:
    return _read(request, lambda bank: bank.method(id_))


@router.post("/payment_methods/{id_}/detach")
async def detach(request: Request, id_: str) -> Response:
    return await _once(request, lambda bank, _: bank.detach(id_))


@router.post("/payment_intents")
async def pay(request: Request) -> Response:
    return await _once(request, lambda bank, asked: _expanded(bank, bank.pay(asked), "expand" in asked))


@router.get("/payment_intents")
async def payments(request: Request, customer: str) -> Response:
    def listed(bank: Bank) -> Thing:
        found = [_expanded(bank, each, _wants(request)) for each in bank.payments(customer)]
        return _listed("/v1/payment_intents", found)

    return _read(request, listed)


@router.get("/payment_intents/{id_}")
async def payment(request: Request, id_: str) -> Response:
    return _read(request, lambda bank: _expanded(bank, bank.payment(id_), _wants(request)))


@router.post("/payment_intents/{id_}/cancel")
async def cancel(request: Request, id_: str) -> Response:
    return await _once(request, lambda bank, _: bank.cancel(id_))


@router.get("/refunds")
async def refunds(request: Request, payment_intent: str | None = None) -> Response:
    return _read(request, lambda bank: _listed("/v1/refunds", _since(request, bank.refunds(payment_intent))))


@router.get("/refunds/{id_}")
async def refund_info(request: Request, id_: str) -> Response:
    return _read(request, lambda bank: bank.sent_back(id_))


@router.post("/refunds")
async def refund(request: Request) -> Response:
    return await _once(request, lambda bank, asked: bank.refund(asked))


@router.get("/disputes")
async def disputes(request: Request, payment_intent: str | None = None) -> Response:
    return _read(request, lambda bank: _listed("/v1/disputes", _since(request, Disputes(bank).of(payment_intent))))


@router.get("/disputes/{id_}")
async def dispute(request: Request, id_: str) -> Response:
    return _read(request, lambda bank: Disputes(bank).one(id_))


@router.post("/disputes/{id_}")
async def answer_dispute(request: Request, id_: str) -> Response:
    return await _once(request, lambda bank, asked: Disputes(bank).answer(id_, asked))


@router.post("/disputes/{id_}/close")
async def close_dispute(request: Request, id_: str) -> Response:
    return await _once(request, lambda bank, _: Disputes(bank).close(id_))


def _since(request: Request, things: list[Thing]) -> list[Thing]:
    since = request.query_params.get("created[gte]", "0")
    return [each for each in things if each["created"] >= (int(since) if since.isdecimal() else 0)]


def _listed(path: str, things: list[Thing]) -> Thing:
    return {"object": "list", "data": [shown(each) for each in things], "has_more": False, "url": path}


def _wants(request: Request) -> bool:
    return any(name.startswith("expand") for name in request.query_params)


def _expanded(bank: Bank, intent: Thing, wanted: bool) -> Thing:
    """Only the charge of a payment is ever asked for here."""
    return bank.with_charge(intent) if wanted else intent


def _read(request: Request, find: Callable[[Bank], Thing]) -> Response:
    try:
        _check_key(request)
        return JSONResponse(shown(find(request.app.state.bank)))
    except Refused as refusal:
        return JSONResponse(refusal.body, refusal.status)


async def _once(request: Request, make: Callable[[Bank, Thing], Thing]) -> Response:
    """Do it, or answer what was answered to the same key before. The answer is kept together with what was done."""
    bank: Bank = request.app.state.bank
    key = request.headers.get("idempotency-key")
    try:
        _check_key(request)
        body = await _body(request)
        digest = hashlib.sha256(request.url.path.encode() + b"\n" + body).hexdigest()
        asked = nested(parse_qsl(body.decode(), keep_blank_values=True))
        with bank.store.together():
            known = bank.store.answer_to(key) if key else None
            if known is not None and known[0] != digest:
                raise Refused(400, "idempotency_error", "This key was used for another request.")
            status, answer = known[1:] if known else _done(bank, make, asked)
            if key and known is None:
                bank.store.keep_answer(key, digest, status, answer)
        return JSONResponse(answer, status)
    except Refused as refusal:
        return JSONResponse(refusal.body, refusal.status)


def _done(bank: Bank, make: Callable[[Bank, Thing], Thing], asked: Thing) -> tuple[int, Thing]:
    """A refusal is an answer like any other: it is given again to whoever asks again."""
    try:
        return 200, shown(make(bank, asked))
    except Refused as refusal:
        return refusal.status, refusal.body


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_LIMIT:
            raise Refused(413, "invalid_request_error", "The request is too large.")
    return body


def _check_key(request: Request) -> None:
    expected = f"Bearer {request.app.state.key}".encode()
    if not hmac.compare_digest(request.headers.get("authorization", "").encode(), expected):
        raise Refused(401, "invalid_request_error", "Invalid API Key provided.")


def nested(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """A form whose names are like `metadata[payment_id]`, as what it means."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        *path, last = re.findall(r"[^\[\]]+", name) or [name]
        place = found
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise Refused(400, "invalid_request_error", f"The parameter {name} contradicts another one.")
        place[last] = value
    return found
