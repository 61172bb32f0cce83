"""Trials: an account tries a service once, for as long as the plan says, at no charge; reinstalling goes on with what is left.

A trial is claimed with the intent to provision and begins when the add-on is there. How it ends is `trial_ends.py`'s. Never
commits.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from broker.addons.term_models import Trial
from broker.kernel.db import Tx


async def claim_trial(
    tx: Tx, account_id: UUID, service_id: UUID, addon_id: UUID, at: datetime, *, accepted: bool
) -> bool:
    """Give the account's trial of a service to an add-on that is being made; False if it was had, or another add-on has it.

    `accepted`: the account agrees to pay when it is over.
    """
    values = {"addon_id": addon_id, "accepted_at": at if accepted else None, "told_at": None, "updated_at": at}
    row = {"account_id": account_id, "service_id": service_id, "created_at": at}
    free = Trial.addon_id.is_(None) & or_(Trial.ends_at.is_(None), Trial.ends_at > at)
    claimed = insert(Trial).values(**row, **values)
    claimed = claimed.on_conflict_do_update(index_elements=["account_id", "service_id"], set_=values, where=free)
    return (await tx.execute(claimed.returning(Trial.addon_id))).scalar() is not None


async def has_trial(tx: Tx, addon_id: UUID) -> bool:
    """Whether the account's trial is this add-on's, begun or not."""
    claimed = select(Trial.addon_id).where(Trial.addon_id == addon_id, Trial.outcome.is_(None))
    return (await tx.execute(claimed)).first() is not None


async def begin_trial(tx: Tx, addon_id: UUID, days: int, at: datetime) -> None:
    """Let the trial that the add-on has claimed begin, if it is the account's first of the service."""
    claimed = update(Trial).where(Trial.addon_id == addon_id, Trial.ends_at.is_(None))
    begun = at.replace(microsecond=0)
    await tx.execute(claimed.values(started_at=begun, ends_at=begun + timedelta(days=days), updated_at=at))


async def leave_trial(tx: Tx, addon_id: UUID, at: datetime) -> None:
    """The add-on is gone, or is paid for: what is left is there for another one. A trial that never began was none."""
    ours = Trial.addon_id == addon_id
    await tx.execute(delete(Trial).where(ours, Trial.ends_at.is_(None)))
    left = {"addon_id": None, "accepted_at": None, "updated_at": at}
    await tx.execute(update(Trial).where(ours).values(left))


async def move_trials(tx: Tx, addon_ids: Collection[UUID], to: UUID, at: datetime) -> list[tuple[UUID, UUID]]:
    """The add-ons go over to another account, with what is left of their trials, unless that account has had its own; the
    add-ons whose trial is over by that, with their services.
    """
    over = []
    unfinished = (Trial.addon_id.in_(addon_ids), Trial.account_id != to, Trial.outcome.is_(None))
    rows = select(Trial.__table__).where(*unfinished)
    for row in (await tx.execute(rows.order_by(Trial.addon_id).with_for_update())).all():
        await leave_trial(tx, row.addon_id, at)
        if not await _inherit(tx, row, to, at):
            over.append((row.addon_id, row.service_id))
    return over


async def use_up_trial(tx: Tx, addon_id: UUID, account_id: UUID, service_id: UUID, at: datetime) -> bool:
    """Treat the add-on as one whose trial is over, because the account has had it: as `trial_ends.py` does with those. False
    if another add-on has it now.
    """
    had = (Trial.account_id == account_id, Trial.service_id == service_id, Trial.addon_id.is_(None))
    values = {"addon_id": addon_id, "ends_at": func.least(Trial.ends_at, at), "outcome": None, "accepted_at": None}
    used = update(Trial).where(*had).values(**values, updated_at=at).returning(Trial.addon_id)
    return (await tx.execute(used)).scalar() is not None


async def _inherit(tx: Tx, row: Any, to: UUID, at: datetime) -> bool:
    """Whether the account goes on with a trial: until the end of this one at the latest."""
    values = {"addon_id": row.addon_id, "told_at": None, "updated_at": at}
    new = {"account_id": to, "service_id": row.service_id, "started_at": row.started_at, "ends_at": row.ends_at}
    inherited = insert(Trial).values(**new, **values, created_at=at)
    unused = Trial.addon_id.is_(None) & or_(Trial.ends_at.is_(None), Trial.ends_at > at)
    inherited = inherited.on_conflict_do_update(index_elements=["account_id", "service_id"], set_=values, where=unused)
    if (await tx.execute(inherited.returning(Trial.addon_id))).scalar() is None:
        return False
    if row.ends_at is not None:
        sooner = update(Trial).where(Trial.addon_id == row.addon_id, Trial.ends_at > row.ends_at)
        await tx.execute(sooner.values(ends_at=row.ends_at))
    return True
