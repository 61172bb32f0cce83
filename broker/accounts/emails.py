"""E-mail addresses as accounts have them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import func, select

from broker.accounts.models import User
from broker.kernel.db import Tx
from broker.kernel.errors import InvalidParams

LONGEST: Final = 254
TEAM_DOMAIN: Final = "herokumanager.com"
"""Where the addresses of teams are, at which nobody reads mail: no person's can be there."""
_ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)*[A-Za-z0-9-]{1,63}")


@dataclass(frozen=True, slots=True)
class Known:
    """Whose address it is."""

    id: UUID
    email: str
    """As its owner writes it."""


def checked_email(text: str) -> str:
    """The address without blanks around it, if mail can be sent to it.

    Raises: InvalidParams.
    """
    email = text.strip()
    local = email.partition("@")[0]
    whole = _ADDRESS.fullmatch(email) and ".." not in local and not local.startswith(".") and not local.endswith(".")
    if not whole or len(email) > LONGEST:
        raise InvalidParams("email: must be an address such as you@example.com.")
    if email.lower().endswith(f"@{TEAM_DOMAIN}"):
        raise InvalidParams(f"email: addresses of {TEAM_DOMAIN} stand for teams, and are nobody's mailbox.")
    return email


def team_called(email: str) -> str | None:
    """The team whose address this is; None for a person's."""
    name, _, domain = email.partition("@")
    return name if domain.lower() == TEAM_DOMAIN else None


async def user_with(tx: Tx, email: str) -> Known | None:
    """The person's account with this address, whatever its case."""
    named = (func.lower(User.email) == email.lower(), User.team_name.is_(None))
    row = (await tx.execute(select(User.id, User.email).where(*named))).one_or_none()
    return None if row is None else Known(*row)
