"""Flags: operators switch off for a while what the installation does, and whoever does it asks here first.

A flag is read in the transaction of the deed, so it holds for every process from the moment it is switched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, Text, bindparam, column, select, table
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.selectable import LateralFromClause

from broker.events.emit import emit
from broker.flags.models import Flag, FlagRow
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.direct import Direct
from broker.kernel.errors import InvalidParams, Paused

LONGEST_REASON: Final = 300
MEANINGS: Final[Mapping[Flag, str]] = {
    Flag.SIGN_UP: "Anybody makes an account. Off: only whom operators invite.",
    Flag.INSTALLS: "Add-ons are created. Off: what is there goes on, changes its plan and is destroyed as usual.",
    Flag.COLLECTION: "Invoices are collected, and what is unpaid is dunned. Off: both wait. What falls due"
    " meanwhile is done afterwards, and the dates behind it are put off. Whoever pays by hand does.",
    Flag.NOTICES: "Mails are sent. Off: they wait, but for those with a link that somebody has just asked for; and so does"
    " dunning, which tells by mail what it is going to do.",
}
"""What a flag does, for operators."""
_PAUSED: Final[Mapping[Flag, str]] = {
    Flag.SIGN_UP: "No accounts are made at the moment, but for those whom operators invite.",
    Flag.INSTALLS: "No add-ons are created at the moment; nothing was created or charged.",
    Flag.COLLECTION: "No payments are collected at the moment.",
    Flag.NOTICES: "No mails are sent at the moment.",
}
_OF_SERVICES: Final = frozenset({Flag.INSTALLS})
_SERVICES: Final = table("addon_services", column("slug", Text))
"""A table of `catalog`, above us; named here so that a flag is never switched for a service that there is not."""


@dataclass(frozen=True, slots=True)
class FlagView:
    """A flag as a whole, or for one service; `changed_at` is None if nobody has ever switched it."""

    name: Flag
    service: str | None
    is_on: bool
    meaning: str
    reason: str = ""
    changed_by: str | None = None
    changed_at: datetime | None = None


async def list_flags(ctx: Context, actor: Actor) -> list[FlagView]:
    """Every flag, each with the services that it was switched for.

    Raises: NotFound for everybody but operators.
    """
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        rows = (await tx.execute(select(FlagRow.__table__).order_by(FlagRow.name, FlagRow.service))).all()
    found = [_view(row) for row in rows if row.name in set(Flag)]
    untouched = set(Flag) - {view.name for view in found if view.service is None}
    found += [FlagView(flag, None, is_on=True, meaning=MEANINGS[flag]) for flag in untouched]
    order = list(Flag)
    return sorted(found, key=lambda view: (order.index(view.name), view.service or ""))


async def set_flag(
    ctx: Context, actor: Actor, name: str, on: bool, reason: str, service: str | None = None
) -> FlagView:
    """Switch a flag, as a whole or for one service. One that stands so already stays as it is, and nothing is recorded.

    Transactions: one of its own.
    Raises: NotFound for everybody but operators; InvalidParams.
    """
    actor.require_operator()
    if name not in tuple(Flag):
        raise InvalidParams(f"flag: must be one of {', '.join(Flag)}.")
    flag, why = Flag(name), " ".join(reason.split())
    if not 0 < len(why) <= LONGEST_REASON or not why.isprintable():
        raise InvalidParams(f"reason: say why, in 1 to {LONGEST_REASON} characters. Whoever is turned away is told.")
    async with ctx.database.transaction() as tx:
        if service:
            await _check_service(tx, flag, service)
        return await _switch(tx, actor, flag, on, why, service or "", ctx.clock.now())


async def check_on(tx: Tx, flag: Flag) -> None:
    """Go on if a flag is on as a whole.

    Raises: Paused, with what the operators say about it.
    """
    row = await _OFF.first(tx, flag=flag.value)
    if row is not None:
        raise paused(flag, "", row.reason)


def paused(flag: Flag, service: str, reason: str) -> Paused:
    """The refusal for a flag that is off: for this service alone, or, if that is empty, as a whole."""
    said = f"No add-ons of {service} are created at the moment; nothing was created or charged." if service else None
    return Paused(f"{said or _PAUSED[flag]} The operators say: {reason}")


def switched_off_for(flag: Flag, service: InstrumentedAttribute[str]) -> LateralFromClause:
    """What holds a flag off for that service, as a row to be joined by a statement that reads the service: `reason`, `slug`."""
    off = select(FlagRow.reason, FlagRow.service.label("slug"))
    found = off.where(FlagRow.name == flag.value, FlagRow.service.in_(("", service)), FlagRow.is_on.is_(False))
    return found.order_by(FlagRow.service).limit(1).lateral("off")


async def is_on(tx: Tx, flag: Flag) -> bool:
    """Whether a flag is on as a whole."""
    return await _OFF.first(tx, flag=flag.value) is None


async def switched_off(tx: Tx) -> list[str]:
    """What is off, in words such as `installs of redis`."""
    off = select(FlagRow.name, FlagRow.service).where(FlagRow.is_on.is_(False)).order_by(FlagRow.name, FlagRow.service)
    return [f"{row.name} of {row.service}" if row.service else str(row.name) for row in await tx.execute(off)]


_OFF: Final = Direct(
    select(FlagRow.reason).where(FlagRow.name == bindparam("flag"), FlagRow.service == "", FlagRow.is_on.is_(False))
)


async def _check_service(tx: Tx, flag: Flag, service: str) -> None:
    if flag not in _OF_SERVICES:
        raise InvalidParams(
            f"service: {flag} is switched as a whole; only {', '.join(_OF_SERVICES)} can be for a service."
        )
    known = select(_SERVICES.c.slug).where(_SERVICES.c.slug == service)
    if (await tx.execute(known)).first() is None:
        raise InvalidParams(f"service: there is no service {service}.")


async def _switch(tx: Tx, actor: Actor, flag: Flag, on: bool, why: str, service: str, now: datetime) -> FlagView:
    values: dict[str, Any] = {
        "is_on": on,
        "reason": why,
        "changed_by_id": actor.id,
        "changed_by": actor.email,
        "changed_at": now,
    }
    before = (await tx.execute(_row(flag, service).with_for_update())).one_or_none()
    if before is None and on:
        return FlagView(flag, service or None, is_on=True, meaning=MEANINGS[flag])
    written = insert(FlagRow).values(name=flag, service=service, **values)
    differs = FlagRow.is_on.is_distinct_from(on)
    switched = written.on_conflict_do_update(index_elements=["name", "service"], set_=values, where=differs)
    row = (await tx.execute(switched.returning(FlagRow.__table__))).one_or_none()
    if row is None:
        return _view((await tx.execute(_row(flag, service))).one())
    await emit(tx, "flag.switched", actor, now, flag=flag, service=service or None, on=on, reason=why)
    return _view(row)


def _row(flag: Flag, service: str) -> Select[*tuple[Any, ...]]:
    return select(FlagRow.__table__).where(FlagRow.name == flag, FlagRow.service == service)


def _view(row: Any) -> FlagView:
    flag = Flag(row.name)
    meaning = MEANINGS[flag]
    return FlagView(flag, row.service or None, row.is_on, meaning, row.reason, row.changed_by, row.changed_at)
