"""One settlement: what it works with, and how it ends or goes on, as a compare-and-set on the fencing number.

What a reply changes besides is in `settle.py` and `settle_rotation.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, literal, null, or_, update
from sqlalchemy.dialects.postgresql import JSONB

from broker.addons.config import as_told, undeclared
from broker.addons.locks import LockedAddon
from broker.addons.models import Operation, OperationState
from broker.addons.outcomes import Decision, told
from broker.addons.ports import Answer, Reply
from broker.addons.work import Work, history_entry
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.direct import Direct, filled, placeholders
from broker.kernel.errors import InvalidParams
from broker.kernel.jobs import defer
from broker.kernel.signals import notify


class SettledElsewhere(Exception):
    """The operation is no longer ours: everything done in this transaction must be undone."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a settlement works with: the reply, what was decided, and the locked subject."""

    work: Work
    reply: Reply
    decision: Decision
    addon: LockedAddon
    actor: Actor
    at: datetime
    target_plan_id: UUID | None
    may_exist: bool


def acceptable(addon: LockedAddon, reply: Reply) -> dict[str, Any]:
    """The config of a reply without what the manifest does not declare."""
    refused = undeclared(addon, reply.config)
    return {name: value for name, value in reply.config.items() if name not in refused}


def error_id_of(reply: Reply) -> str:
    """The id of the error with which a request ends that waited for this failure."""
    return InvalidParams.id if reply.answer is Answer.REFUSED else "provider_unavailable"


async def finish(
    tx: Tx, s: Settlement, state: OperationState, reason: str | None = None, error_id: str | None = None
) -> None:
    """The compare-and-set that ends an operation, and the notice to whoever waits."""
    end = {"state": state, "step": "done", "finished_at": s.at, "updated_at": s.at}
    end |= {"reason": reason, "error_id": error_id}
    held = {"operation_id": s.work.operation_id, "held": s.work.fencing}
    if len(await _FINISH.all(tx, **held, **filled(end), entry=_entry(s))) != 1:
        raise SettledElsewhere
    await notify(tx, s.work.operation_id)


_FINISH: Final = Direct(
    update(Operation)
    .where(
        Operation.id == bindparam("operation_id"),
        Operation.fencing == bindparam("held"),
        Operation.finished_at.is_(None),
    )
    .values(
        placeholders("state step finished_at updated_at reason error_id")
        | {
            "next_at": null(),
            "lease_until": null(),
            "options_sealed": null(),
            "history": Operation.history.op("||")(bindparam("entry", type_=JSONB)),
        }
    )
    .returning(Operation.id)
)


def _entry(s: Settlement) -> list[dict[str, Any]]:
    """What the operation's history says of this settlement."""
    refused = as_told(undeclared(s.addon, s.reply.config))
    note = f"config not declared in the manifest was refused: {refused}" if refused else s.reply.note
    return history_entry(s.at, "settle", s.reply.answer.value, status=s.reply.status, note=note)


async def update_operation(tx: Tx, s: Settlement, values: Mapping[str, Any]) -> None:
    """The same compare-and-set for an operation that goes on."""
    result = await tx.execute(
        update(Operation)
        .where(
            Operation.id == s.work.operation_id,
            Operation.fencing == s.work.fencing,
            Operation.finished_at.is_(None),
        )
        .values(updated_at=s.at, history=Operation.history.op("||")(literal(_entry(s), JSONB)), **values)
    )
    if result.rowcount != 1:
        raise SettledElsewhere
    await notify(tx, s.work.operation_id)


async def retry(tx: Tx, ctx: Context, s: Settlement) -> None:
    """Repeat the call later."""
    assert s.decision.delay is not None
    next_at = s.at + s.decision.delay
    values = {
        "state": OperationState.PENDING,
        "next_at": next_at,
        "lease_until": None,
        "may_exist": or_(Operation.may_exist, literal(s.decision.row.orphan)),
        "reason": told(s.decision.row, s.addon.service_name, s.reply),
    }
    await update_operation(tx, s, values)
    await defer(tx, "broker.advance", {"operation_id": str(s.work.operation_id)}, at=next_at)
