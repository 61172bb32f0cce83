"""The local payment gateway as part of `broker up`: no money moves. Whoever sets another gateway gets none of this."""

from __future__ import annotations

import asyncio
import os
from typing import Final

import httpx

from broker.local.home import Home

_CARD: Final = {"number": "4242424242424242", "expires": "12/40"}
_PATIENCE_S: Final = 15.0
_LOOK_S: Final = 0.1


def is_local() -> bool:
    """Whether the environment leaves the choice of the payment gateway to us."""
    return os.environ.get("BROKER_PAYMENT_GATEWAY", "local") == "local"


def broker_settings(home: Home, gateway_url: str) -> dict[str, str]:
    """What the broker is told about the local gateway."""
    if not is_local():
        return {}
    return {
        "BROKER_PAYMENT_GATEWAY": "local",
        "BROKER_PAYMENT_GATEWAY_URL": gateway_url,
        "BROKER_STRIPE_KEY": _key(home),
        "BROKER_STRIPE_WEBHOOK_SECRETS": _webhook_secret(home),
    }


def gateway_settings(home: Home, host: str, port: int, broker_url: str) -> dict[str, str]:
    """What the local gateway is told."""
    told = {
        "HOME_DIRECTORY": str(home.path / "payment-gateway"),
        "HOST": host,
        "PORT": str(port),
        "KEY": _key(home),
        "WEBHOOK_URL": f"{broker_url}/payments/webhook",
        "WEBHOOK_SECRET": _webhook_secret(home),
    }
    return {f"PAYMENT_GATEWAY_{name}": value for name, value in told.items()}


async def give_test_card(client: httpx.AsyncClient, url: str, token: str) -> bool:
    """See to it that the demo account has a payment method, in the way that everybody gets one; whether it has."""
    headers = {"authorization": f"Bearer {token}"}
    methods = f"{url}/account/payment-methods"
    try:
        if (await client.get(methods, headers=headers)).json():
            return True
        opened = (await client.post(methods, headers=headers, timeout=_PATIENCE_S)).json()
        if opened.get("url") is None:
            return False
        await client.post(opened["url"], data=_CARD)
        for _ in range(int(_PATIENCE_S / _LOOK_S)):
            found = await client.get(f"{url}/account/payment-setups/{opened['id']}", headers=headers)
            if found.json().get("state") == "done":
                return True
            await asyncio.sleep(_LOOK_S)
    except (httpx.HTTPError, ValueError):
        return False  # whoever starts this is told, and goes on without a card
    return False


def _key(home: Home) -> str:
    return home.secret("payment gateway key", prefix="sk_test_")


def _webhook_secret(home: Home) -> str:
    return home.secret("payment gateway webhooks", prefix="whsec_")
