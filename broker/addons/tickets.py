"""Tickets: signed permissions for one person to open one dashboard within minutes. They hold no secret. Pure."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from broker.kernel.errors import Forbidden
from broker.kernel.vault import Vault

_PURPOSE: Final = "sso-link"
_FIXED, _SIGNATURE, _LONGEST = 56, 32, 1200


@dataclass(frozen=True, slots=True)
class Visit:
    """Who opens which add-on, from which app, and where in its dashboard."""

    user_id: UUID
    addon_id: UUID
    app_id: UUID
    path: str = ""
    """Empty: wherever the provider begins."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket says, whether it is still good or not."""

    visit: Visit
    expires_at: datetime


def mint_ticket(vault: Vault, visit: Visit, expires_at: datetime) -> str:
    """A ticket for a visit, good until `expires_at`, to be put into an address."""
    ids = visit.user_id.bytes + visit.addon_id.bytes + visit.app_id.bytes
    body = ids + int(expires_at.timestamp()).to_bytes(8) + visit.path.encode()
    return base64.urlsafe_b64encode(body + vault.sign(_PURPOSE, body)).decode().rstrip("=")


def read_ticket(vault: Vault, ticket: str) -> Ticket:
    """What a ticket of ours says.

    Raises: Forbidden if it is none of ours.
    """
    try:
        raw = base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4)) if len(ticket) <= _LONGEST else b""
    except ValueError:
        raw = b""
    body, signature = raw[:-_SIGNATURE], raw[-_SIGNATURE:]
    if len(body) < _FIXED or not vault.verify(_PURPOSE, body, signature):
        raise Forbidden("This link is not valid.")
    user, addon, app = (UUID(bytes=body[start : start + 16]) for start in (0, 16, 32))
    expires_at = datetime.fromtimestamp(int.from_bytes(body[48:_FIXED]), UTC)
    return Ticket(Visit(user, addon, app, body[_FIXED:].decode()), expires_at)
