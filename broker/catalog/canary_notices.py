"""Who is told that runs of a canary begin to fail, or pass again: events at once, mails for what lasts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from broker.catalog.members import Role
from broker.catalog.models import AddonService, ServiceMember
from broker.events.emit import emit
from broker.kernel.clock import rfc3339
from broker.kernel.context import SYSTEM
from broker.kernel.db import Tx
from broker.notices.outbox import notify


async def tell(
    tx: Tx, service_id: UUID, slug: str, passed: Sequence[bool], fault: str | None, now: datetime, run: str
) -> None:
    """Tell what the newest run changes. `passed` are it and the two before, newest first.

    One failure may be a moment's: members get a mail after the second in a row.
    """
    newest, before, earlier = passed
    if before and not newest:
        await emit(tx, "provider.canary_failed", SYSTEM, now, service=slug, fault=fault)
    elif newest and not before:
        await emit(tx, "provider.canary_recovered", SYSTEM, now, service=slug)
    if earlier and not before and not newest:
        await _mail(tx, service_id, "canary.failing", {"fault": fault, "at": rfc3339(now)}, now, run)
    elif newest and not before and not earlier:
        await _mail(tx, service_id, "canary.recovered", {"at": rfc3339(now)}, now, run)


async def _mail(tx: Tx, service_id: UUID, kind: str, facts: dict[str, str | None], now: datetime, run: str) -> None:
    """To those who can do something about it: the owners and admins."""
    name, slug = (
        await tx.execute(select(AddonService.name, AddonService.slug).where(AddonService.id == service_id))
    ).one()
    members = select(ServiceMember.user_id).where(
        ServiceMember.service_id == service_id, ServiceMember.role.in_((Role.OWNER, Role.ADMIN))
    )
    for user_id in (await tx.execute(members)).scalars():
        await notify(tx, user_id, kind, facts | {"service": name, "slug": slug}, now, key=f"{kind}:{run}:{user_id}")
