"""Tickets: signed permissions for one person to open one dashboard within minutes. They hold no secret. Pure.

Hints are the same for OpenID Connect. They pass through the provider's hands, so they are no tickets.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from broker.kernel.errors import Forbidden
from broker.kernel.vault import Vault

_LINK: Final = "sso-link"
_HINT: Final = "sso-hint"
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
    return _mint(vault, _LINK, visit, expires_at)


def mint_hint(vault: Vault, visit: Visit, expires_at: datetime) -> str:
    """A hint for a visit, good until `expires_at`, to be brought back by the provider."""
    return _mint(vault, _HINT, visit, expires_at)


def read_ticket(vault: Vault, ticket: str) -> Ticket:
    """What a ticket of ours says.

    Raises: Forbidden if it is none of ours.
    """
    return _read(vault, _LINK, ticket)


def read_hint(vault: Vault, hint: str) -> Ticket:
    """What a hint of ours says.

    Raises: Forbidden if it is none of ours.
    """
    return _read(vault, _HINT, hint)


def _mint(vault: Vault, purpose: str, visit: Visit, expires_at: datetime) -> str:
    ids = visit.user_id.bytes + visit.addon_id.bytes + visit.app_id.bytes
    body = ids + int(expires_at.timestamp()).to_bytes(8) + visit.path.encode()
    return base64.urlsafe_b64encode(body + vault.sign(purpose, body)).decode().rstrip("=")


def _read(vault: Vault, purpose: str, ticket: str) -> Ticket:
    try:
        raw = base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4)) if len(ticket) <= _LONGEST else b""
    except ValueError:
        raw = b""
    body, signature = raw[:-_SIGNATURE], raw[-_SIGNATURE:]
    if len(body) < _FIXED or not vault.verify(purpose, body, signature):
        raise Forbidden("This link is not valid.")
    user, addon, app = (UUID(bytes=body[start : start + 16]) for start in (0, 16, 32))
    expires_at = datetime.fromtimestamp(int.from_bytes(body[48:_FIXED]), UTC)
    return Ticket(Visit(user, addon, app, body[_FIXED:].decode()), expires_at)
