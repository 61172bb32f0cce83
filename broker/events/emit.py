"""Recording facts in the caller's transaction, and with them which webhooks are to be told."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Integer, Uuid, bindparam, column, insert, select, table, union

from broker.events.entities import CHANGES
from broker.events.models import Event, Webhook, WebhookOutbox
from broker.kernel.context import Actor
from broker.kernel.db import Tx
from broker.kernel.direct import Direct, filled, placeholders
from broker.kernel.ids import new_id
from broker.kernel.jobs import WEBHOOKS, deferred, job_values

DELIVER: Final = "broker.deliver"
"""Name of the job that tells one webhook its next event."""


async def emit(
    tx: Tx,
    kind: str,
    actor: Actor,
    at: datetime,
    *,
    app_id: UUID | None = None,
    addon_id: UUID | None = None,
    **data: Any,
) -> None:
    """Record that `kind` (noun.verb) happened. `data` is public to whoever sees the app: no secrets."""
    event = {
        "id": new_id(),
        "at": at,
        "kind": kind,
        "actor_id": actor.id,
        "actor_email": actor.email,
        "app_id": app_id,
        "addon_id": addon_id,
        "data": data,
    }
    change = CHANGES.get(kind)
    if change is None:
        await _RECORD.all(tx, **filled(event))
    else:
        await _RECORD_AND_TELL.all(tx, **filled(event), **_JOB, include=change.include)


_EVENT: Final = insert(Event).values(placeholders("id at kind actor_id actor_email app_id addon_id data"))
_RECORD: Final = Direct(_EVENT)

_JOB: Final = job_values(DELIVER, {}) | {"job_queue": WEBHOOKS, "job_priority": 0}
_ATTACHMENTS: Final = table("attachments", column("app_id", Uuid), column("addon_id", Uuid))
"""A table of `addons`, above us; named here so that an app's facts find the add-ons on it in the same round trip."""

_EVENT_ID: Final = bindparam("new_id", type_=Event.id.type)
_APP_ID: Final = bindparam("new_app_id", type_=Event.app_id.type)
_ADDON_ID: Final = bindparam("new_addon_id", type_=Event.addon_id.type)


def _told() -> Direct:
    """The event, an outbox row for each webhook that wants it and a job for each of those: one statement, no lock taken.

    A fact about an app also goes to the webhooks of the add-ons attached to it.
    """
    wants = select(Webhook.id).where(
        bindparam("include", type_=Event.kind.type) == Webhook.include.any_(), Webhook.ended_at.is_(None)
    )
    around = wants.join(_ATTACHMENTS, _ATTACHMENTS.c.addon_id == Webhook.addon_id)
    wanted = union(
        wants.where(Webhook.app_id == _APP_ID),
        wants.where(Webhook.addon_id == _ADDON_ID),
        around.where(_ATTACHMENTS.c.app_id == _APP_ID, _ADDON_ID.is_(None)),
    ).cte("wanted")
    queued = insert(WebhookOutbox).from_select(["webhook_id", "event_id"], select(wanted.c.id, _EVENT_ID))
    job = deferred(args="jsonb_build_object('webhook_id', wanted.id)").bindparams(
        bindparam("job_priority", type_=Integer)
    )
    return Direct(select(job).select_from(wanted).add_cte(_EVENT.cte("recorded"), queued.cte("queued")))


_RECORD_AND_TELL: Final = _told()
