"""Sending what webhooks are told: signed in Heroku's way and in that of Standard Webhooks, through the guarded client."""

from __future__ import annotations

import base64
import binascii
import hmac
from http import HTTPStatus
from typing import Final

from broker.events.attempts import Attempt, Receipt
from broker.kernel.secret import Secret
from broker.outbound.http import CallFailed, GuardedClient

_PREFIX: Final = "whsec_"


class WebhookSender:
    """Makes attempts. A receiver's answer is its status alone; it is led nowhere else by it."""

    def __init__(self, client: GuardedClient) -> None:
        self._client = client

    async def __call__(self, attempt: Attempt) -> Receipt:
        body = attempt.body
        try:
            code = await self._client.status_of("POST", attempt.url, headers=headers(attempt, body), content=body)
        except CallFailed as failure:
            return Receipt(None, failure.note)
        is_redirect = HTTPStatus.MULTIPLE_CHOICES <= code < HTTPStatus.BAD_REQUEST
        return Receipt(code, "redirects are not followed" if is_redirect else None)


def headers(attempt: Attempt, body: bytes) -> dict[str, str]:
    """The headers of one attempt; the id is the same in all attempts to tell an event.

    Source: Heroku Dev Center, "App Webhooks"; Standard Webhooks 1.0.0, "Webhook headers".
    """
    message_id, timestamp = str(attempt.event_id), str(int(attempt.at.timestamp()))
    found = {
        "content-type": "application/json; charset=utf-8",
        "user-agent": "addon-broker-webhooks",
        "heroku-webhook-hmac-sha256": heroku_signature(attempt.secret, body),
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": standard_signature(attempt.secret, message_id, timestamp, body),
    }
    if attempt.authorization is not None:
        found["authorization"] = attempt.authorization.reveal()
    return found


def heroku_signature(secret: Secret, body: bytes) -> str:
    """Base64 of the HMAC of the body, under the secret as it is written."""
    return _mac(secret.reveal().encode(), body)


def standard_signature(secret: Secret, message_id: str, timestamp: str, body: bytes) -> str:
    """`v1,` and base64 of the HMAC of id, timestamp and body."""
    return "v1," + _mac(standard_key(secret), f"{message_id}.{timestamp}.".encode() + body)


def standard_key(secret: Secret) -> bytes:
    """What follows `whsec_`, decoded; a secret of another form is the key as it is written."""
    text = secret.reveal()
    if text.startswith(_PREFIX):
        try:
            return base64.b64decode(text.removeprefix(_PREFIX), validate=True) or text.encode()
        except binascii.Error:
            pass
    return text.encode()


def _mac(key: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.digest(key, message, "sha256")).decode()
