"""What the partner of a service gets: agreed by operators from an instant on. What was agreed before stays as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import insert, select

from broker.billing.share_models import ShareAgreement
from broker.billing.shares import WHOLE_BP
from broker.catalog.members import Role, member_service
from broker.events.emit import emit
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor, Context
from broker.kernel.errors import InvalidParams
from broker.kernel.ids import new_id

FARTHEST: Final = timedelta(days=3653)


@dataclass(frozen=True, slots=True)
class AgreementView:
    """The share of a service from an instant on. Units: hundredths of a percent."""

    service: str
    share_bp: int
    starts_at: datetime
    created_at: datetime


async def agree_share(
    ctx: Context, actor: Actor, slug: str, share_bp: int, starts_at: datetime | None = None
) -> AgreementView:
    """Agree on another share from an instant on, from now on if none is given: operators only.

    Raises: NotFound, also for everybody but operators; InvalidParams for an instant that has passed, or is very far away.
    """
    actor.require_operator()
    now = ctx.clock.now().replace(microsecond=0)
    since = (starts_at or now).replace(microsecond=0)
    if since < now:
        raise InvalidParams(
            "starts_at: must not be in the past; what was used until now stays shared as it was agreed."
        )
    if since > now + FARTHEST:
        raise InvalidParams("starts_at: must be at most ten years away.")
    if not 0 <= share_bp <= WHOLE_BP:
        raise InvalidParams("share_bp: must be from 0 to 10000 hundredths of a percent, such as 7000 for 70 %.")
    async with ctx.database.transaction() as tx:
        service = await member_service(tx, actor, slug, Role.OWNER)
        view = AgreementView(service.slug, share_bp, since, now)
        row = {name: getattr(view, name) for name in AgreementView.__slots__}
        who = {"id": new_id(), "actor_id": actor.id, "actor_email": actor.email}
        await tx.execute(insert(ShareAgreement).values(row | who))
        await emit(tx, "share.agreed", actor, now, service=slug, share_bp=share_bp, starts_at=rfc3339(since))
    return view


async def list_agreements(ctx: Context, actor: Actor, slug: str) -> Sequence[AgreementView]:
    """What was agreed for a service, the newest first: for its owners and admins. Without any it is the usual share.

    Raises: NotFound, Forbidden.
    """
    columns = [getattr(ShareAgreement, name) for name in AgreementView.__slots__]
    async with ctx.database.transaction() as tx:
        service = await member_service(tx, actor, slug, Role.ADMIN)
        wanted = select(*columns).where(ShareAgreement.service == service.slug)
        rows = await tx.execute(wanted.order_by(ShareAgreement.starts_at.desc(), ShareAgreement.id.desc()))
        return [AgreementView(*row) for row in rows]
