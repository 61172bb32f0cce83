"""Telling whoever is interested, again and again until it has heard, signed as Stripe signs."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from typing import Final

import httpx

from embedded.gateway.bank import Bank

_LOOK_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 30.0
_TIMEOUT_S: Final = 10.0
_GIVEN_UP_AFTER: Final = 500


def signature(secret: str, body: str, at: float) -> str:
    """The header that goes with a webhook. Source: Stripe, "Verify webhook signatures manually"."""
    signed = hmac.digest(secret.encode(), f"{int(at)}.{body}".encode(), "sha256").hex()
    return f"t={int(at)},v1={signed}"


async def keep_telling(bank: Bank, url: str | None, secret: str, clock: Callable[[], float]) -> None:
    """Decide what is ripe and tell what is untold, for ever."""
    async with httpx.AsyncClient(trust_env=False, timeout=_TIMEOUT_S) as client:
        while True:
            bank.go_on()
            for id_, body, tries in bank.store.untold(clock()):
                if url is None or await _tell(client, url, secret, body, clock()) or tries > _GIVEN_UP_AFTER:
                    bank.store.told(id_)
                else:
                    bank.store.tell_again(id_, clock() + min(0.25 * 2 ** min(tries, 10), _LONGEST_PAUSE_S))
            await asyncio.sleep(_LOOK_S)


async def _tell(client: httpx.AsyncClient, url: str, secret: str, body: str, at: float) -> bool:
    headers = {"content-type": "application/json; charset=utf-8", "stripe-signature": signature(secret, body, at)}
    try:
        answer = await client.post(url, content=body.encode(), headers=headers)
    except httpx.HTTPError:
        return False
    return answer.is_success
