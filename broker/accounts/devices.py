"""Browsers that somebody has signed in with before: what they carry to be known again. A mere hint, no right.

Guesses from elsewhere are counted apart from those of a known device, so that nobody can lock an owner out by guessing.
Source: OWASP, "Slow Down Online Guessing Attacks with Device Cookies".
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final
from uuid import UUID

from broker.kernel.ids import as_uuid
from broker.kernel.secret import Secret
from broker.kernel.vault import Vault

LIFE: Final = timedelta(days=365)
_PURPOSE: Final = "known-device"


def new_device(vault: Vault, user_id: UUID) -> Secret:
    """What a browser keeps after this user has signed in with it."""
    name = f"{user_id}.{secrets.token_hex(16)}"
    return Secret(f"{name}.{vault.sign(_PURPOSE, name.encode()).hex()}")


def device_of(vault: Vault, user_id: UUID, cookie: Secret | None) -> str | None:
    """The name of the device, if this user has signed in with it before."""
    name, _, mac = (cookie.reveal() if cookie else "").rpartition(".")
    if not mac.isascii() or as_uuid(name.partition(".")[0]) != user_id:
        return None
    try:
        signature = bytes.fromhex(mac)
    except ValueError:
        return None
    return name if vault.verify(_PURPOSE, name.encode(), signature) else None
