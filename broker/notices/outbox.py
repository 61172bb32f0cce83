"""Putting a notice into the outbox, in the transaction that makes it true. A worker sends it afterwards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Text, Uuid, column, select, table, union_all
from sqlalchemy.dialects.postgresql import insert

from broker.kernel.db import Tx
from broker.kernel.ids import new_id
from broker.kernel.jobs import WEBHOOKS, defer
from broker.kernel.secret import Secret
from broker.kernel.vault import Vault
from broker.notices.models import Notice, NoticeState

SEND: Final = "broker.send_notice"
"""Name of the job that sends one notice."""
WORTH: Final = timedelta(days=3)
"""For how long sending is tried."""

_USERS: Final = table("users", column("id", Uuid), column("email", Text), column("team_name", Text))
_TEAM: Final = _USERS.alias("team")
_MEMBERS: Final = table("team_members", column("team_id", Uuid), column("user_id", Uuid), column("role", Text))
"""Tables of `accounts`, above us; named here so that whoever has something to tell need not look the address up."""
_TOLD: Final = ("owner", "admin", "billing")
"""Who of a team is told what concerns its account: nobody reads the mail of the team itself."""


async def notify(
    tx: Tx, user_id: UUID, kind: str, facts: Mapping[str, Any], at: datetime, key: str | None = None
) -> None:
    """Tell a user something, at the address that it has now; with a `key`, once for ever. Of a team, those who see to its money.

    `facts` are what the template of this kind (`faces/mails/templates`) speaks of: JSON values, no secrets.
    """
    person = select(_USERS.c.id, _USERS.c.email, _USERS.c.team_name)
    person = person.where(_USERS.c.id == user_id, _USERS.c.team_name.is_(None))
    team = select(_USERS.c.id, _USERS.c.email, _TEAM.c.team_name).join(_MEMBERS, _MEMBERS.c.user_id == _USERS.c.id)
    told = team.join(_TEAM, _TEAM.c.id == _MEMBERS.c.team_id)
    told = told.where(_MEMBERS.c.team_id == user_id, _MEMBERS.c.role.in_(_TOLD))
    for reader_id, address, team_name in (await tx.execute(union_all(person, told))).all():
        once = key if team_name is None or key is None else f"{key}:{reader_id}"
        whose = {} if team_name is None else {"for_team": team_name, "for_team_id": str(user_id)}
        await notify_address(tx, address, kind, {**facts, **whose}, at, user_id=reader_id, key=once)


async def notify_address(
    tx: Tx,
    address: str,
    kind: str,
    facts: Mapping[str, Any],
    at: datetime,
    *,
    user_id: UUID | None = None,
    key: str | None = None,
) -> None:
    """Tell whoever reads the mail of an address."""
    await _put(tx, _row(address, kind, facts, at, at + WORTH, user_id=user_id, key=key), at)


async def send_secrets(
    tx: Tx,
    vault: Vault,
    address: str,
    kind: str,
    facts: Mapping[str, Any],
    secrets: Mapping[str, Secret],
    at: datetime,
    until: datetime,
) -> None:
    """Send what only the reader of this mail may know, while it is worth anything. Nobody is shown it in a list."""
    row = _row(address, kind, facts, at, until)
    key, wrapped = vault.new_data_key(key_owner(row["id"]))
    plain = json.dumps({name: secret.reveal() for name, secret in secrets.items()})
    sealed = {"data_key": wrapped, "secrets_sealed": key.seal(plain.encode(), sealed_place(row["id"]))}
    await _put(tx, row | sealed, at)


def key_owner(notice_id: UUID) -> str:
    """Whose data key it is."""
    return f"notices:{notice_id}"


def sealed_place(notice_id: UUID) -> str:
    """Where the secrets belong, and open nowhere else."""
    return f"notices:{notice_id}:secrets:1"


def opened(vault: Vault, row: Any) -> dict[str, Any]:
    """The facts of a notice, with the secrets that are still there."""
    if row.data_key is None or row.secrets_sealed is None:
        return dict(row.facts)
    key = vault.unwrap(row.data_key, key_owner(row.id))
    return {**row.facts, **json.loads(key.open(row.secrets_sealed, sealed_place(row.id)))}


def _row(
    address: str,
    kind: str,
    facts: Mapping[str, Any],
    at: datetime,
    until: datetime,
    *,
    user_id: UUID | None = None,
    key: str | None = None,
) -> dict[str, Any]:
    return {
        "id": new_id(),
        "user_id": user_id,
        "address": address,
        "kind": kind,
        "facts": dict(facts),
        "key": key,
        "state": NoticeState.WAITING,
        "due_at": at,
        "expires_at": until,
        "created_at": at,
    }


async def _put(tx: Tx, row: Mapping[str, Any], at: datetime) -> None:
    new = insert(Notice).values(row).on_conflict_do_nothing(index_elements=["key"]).returning(Notice.id)
    if (await tx.execute(new)).scalar() is not None:
        await drive(tx, row["id"])


async def drive(tx: Tx, notice_id: UUID, at: datetime | None = None) -> None:
    """Have a worker look after this notice, at `at` or at once. Doing so too often is harmless.

    In the queue of the webhooks: SMTP servers that are slow must not keep providers waiting either.
    """
    await defer(tx, SEND, {"notice_id": str(notice_id)}, at=at, priority=1, queue=WEBHOOKS)
