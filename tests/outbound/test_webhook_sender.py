"""Sending over real sockets: signatures as a receiver computes them, and receivers that do not behave."""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from broker.events.attempts import Attempt, Receipt
from broker.events.models import Level
from broker.kernel.ids import new_id
from broker.kernel.secret import Secret
from broker.outbound.http import GuardedClient
from broker.outbound.webhook_sender import WebhookSender, standard_key, standard_signature
from embedded.processes import free_port
from tests.outbound.wire import Request, hang_up, http, listening

AT = datetime(2026, 11, 21, 9, 54, 7, 500000, tzinfo=UTC)
PAYLOAD = {"id": "1", "resource": "addon", "action": "create", "data": {"name": "größe"}, "sequence": 1}


def attempt(url: str, secret: str = "a secret of my own", authorization: str | None = None) -> Attempt:
    return Attempt(
        id=new_id(),
        webhook_id=new_id(),
        delivery_id=new_id(),
        event_id=new_id(),
        fencing=1,
        number=1,
        level=Level.SYNC,
        url=url,
        at=AT,
        deadline_at=AT + timedelta(hours=72),
        payload=PAYLOAD,
        secret=Secret(secret),
        authorization=None if authorization is None else Secret(authorization),
    )


def is_genuine(request: Request, secret: str) -> bool:
    """As a receiver checks the Heroku header."""
    mac = hmac.new(secret.encode(), request.body, hashlib.sha256).digest()
    return hmac.compare_digest(request.headers["heroku-webhook-hmac-sha256"], base64.b64encode(mac).decode())


def is_standard(request: Request, secret: str) -> bool:
    """As a library of Standard Webhooks checks it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    version, _, signature = request.headers["webhook-signature"].partition(",")
    mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return version == "v1" and hmac.compare_digest(signature, mac)


async def test_a_delivery_is_signed_twice_and_says_what_it_is(client: GuardedClient) -> None:
    secret = "whsec_" + base64.b64encode(bytes(range(32))).decode()
    async with listening(http(202)) as wire:
        sent = attempt(wire.url, secret, "Bearer of the receiver")
        assert await WebhookSender(client)(sent) == Receipt(202)
    request = wire.requests[0]
    assert is_genuine(request, secret)
    assert is_standard(request, secret)
    assert request.line == "POST /heroku/resources HTTP/1.1"
    assert request.headers["webhook-id"] == str(sent.event_id)
    assert request.headers["webhook-timestamp"] == "1795254847"
    assert request.headers["authorization"] == "Bearer of the receiver"
    assert request.headers["content-type"].startswith("application/json")
    assert json.loads(request.body) == {
        **PAYLOAD,
        "webhook_metadata": {
            "attempt": {"id": str(sent.id)},
            "delivery": {"id": str(sent.delivery_id)},
            "event": {"id": str(sent.event_id), "include": "api:addon"},
            "webhook": {"id": str(sent.webhook_id)},
        },
    }


async def test_a_secret_of_another_form_is_itself_the_key_of_both_signatures(client: GuardedClient) -> None:
    async with listening(http(200)) as wire:
        await WebhookSender(client)(attempt(wire.url, "plain"))
    assert is_genuine(wire.requests[0], "plain")
    assert "authorization" not in wire.requests[0].headers
    assert standard_key(Secret("whsec_not base64")) == b"whsec_not base64"
    assert standard_key(Secret("whsec_")) == b"whsec_"


def test_the_signature_is_that_of_the_specifications_example() -> None:
    """Source: the test vector of the Standard Webhooks libraries."""
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = standard_signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("code", [301, 302, 307, 308])
async def test_a_redirect_is_a_failure_and_leads_nowhere(client: GuardedClient, code: int) -> None:
    async with listening(http(200)) as target, listening(http(code, location=target.url)) as wire:
        receipt = await WebhookSender(client)(attempt(wire.url))
        assert target.connections == 0
    assert receipt == Receipt(code, "redirects are not followed")
    assert not receipt.is_delivered


async def test_an_answer_without_end_is_cut_off_and_its_status_counts(client: GuardedClient) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await writer.drain()

    async with listening(endless) as wire:
        assert await WebhookSender(client)(attempt(wire.url)) == Receipt(200)
        await wire.peer_gone.wait()


async def test_an_answer_that_breaks_after_its_status_counts(client: GuardedClient) -> None:
    async def broken(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 No\r\ncontent-length: 1000\r\n\r\nhalf")
        await writer.drain()
        hang_up(writer)

    async with listening(broken) as wire:
        assert await WebhookSender(client)(attempt(wire.url)) == Receipt(500)


async def test_whoever_does_not_answer_in_time_or_at_all_is_named_by_the_cause(client: GuardedClient) -> None:
    async def silent(_writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with listening(silent) as wire:
        receipt = await WebhookSender(client)(attempt(wire.url))
    assert receipt.code is None
    assert "Timeout" in (receipt.error or "")
    assert await WebhookSender(client)(attempt(f"http://127.0.0.1:{free_port()}/")) == Receipt(None, "ConnectError")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "10.0.0.1", "2130706433"])
async def test_nothing_is_sent_into_private_networks(strict_client: GuardedClient, host: str) -> None:
    async with listening(http(200)) as wire:
        receipt = await WebhookSender(strict_client)(attempt(f"http://{host}:{wire.port}/"))
        assert wire.connections == 0
    assert receipt.code is None
    assert receipt.error in ("the address is not a public one", "the host name does not resolve")


def test_an_attempt_shows_neither_secret_nor_payload() -> None:
    shown = repr(attempt("https://hooks.example.com/in", "canary", "Bearer canary"))
    assert "canary" not in shown
    assert "größe" not in shown
