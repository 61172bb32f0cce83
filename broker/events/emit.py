"""Recording facts in the caller's transaction, and with them which webhooks are to be told."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CTE, Integer, Text, Uuid, bindparam, column, insert, select, table, text, union
from sqlalchemy.dialects.postgresql import ARRAY

from broker.events.entities import CHANGES
from broker.events.models import Event, Webhook, WebhookOutbox
from broker.kernel.context import Actor
from broker.kernel.db import Tx
from broker.kernel.direct import Direct
from broker.kernel.ids import new_id
from broker.kernel.jobs import BEHIND, WEBHOOKS
from broker.kernel.origin import current_origin

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
    values = fact(kind, actor, at, app_id=app_id, addon_id=addon_id, **data)
    await (_RECORD_AND_TELL if kind in CHANGES else _RECORD).all(tx, **values)


def fact(
    kind: str, actor: Actor, at: datetime, *, app_id: UUID | None = None, addon_id: UUID | None = None, **data: Any
) -> dict[str, Any]:
    """The same as parameters, for statements that record it beside other things (`recorded`)."""
    origin = current_origin()
    return {
        "event_id": new_id(),
        "event_at": at,
        "event_kind": kind,
        "event_actor_id": actor.by.id,
        "event_actor_email": actor.by.email,
        "event_app_id": app_id,
        "event_addon_id": addon_id,
        "event_data": data,
        "event_authorization_id": actor.authorization_id,
        "event_client_id": actor.client_id,
        "event_address": origin.address,
        "event_request_id": origin.request_id,
        "event_includes": [change.include for change in CHANGES.get(kind, ())],
    }


_COLUMNS: Final = (
    "id at kind actor_id actor_email app_id addon_id data authorization_id client_id address request_id".split()
)
_EVENT: Final = insert(Event).values({name: bindparam(f"event_{name}") for name in _COLUMNS})

_ATTACHMENTS: Final = table("attachments", column("app_id", Uuid), column("addon_id", Uuid))
"""A table of `addons`, above us; named here so that an app's facts find the add-ons on it in the same round trip."""

_EVENT_ID: Final = bindparam("event_id", type_=Event.id.type)
_APP_ID: Final = bindparam("event_app_id", type_=Event.app_id.type)
_ADDON_ID: Final = bindparam("event_addon_id", type_=Event.addon_id.type)
_INCLUDES: Final = bindparam("event_includes", type_=ARRAY(Text))

_DEFERRED: Final = text(
    "procrastinate_defer_jobs_v1(array[row(:told_queue, :told_task, (select case when failing_since is null then 0"
    " else :told_behind end from webhooks where id = webhook_outbox.webhook_id), null, null,"
    " jsonb_build_object('webhook_id', webhook_outbox.webhook_id), null)]::procrastinate_job_to_defer_v1[])"
).bindparams(
    bindparam("told_queue", WEBHOOKS, Text),
    bindparam("told_task", DELIVER, Text),
    bindparam("told_behind", BEHIND, Integer),
)


def _told() -> CTE:
    """An outbox row for each webhook that wants the event, and a job for each of those. No lock is taken.

    A fact about an app also goes to the webhooks of the add-ons attached to it.
    """
    wants = select(Webhook.id, _EVENT_ID).where(Webhook.include.bool_op("&&")(_INCLUDES), Webhook.ended_at.is_(None))
    wants = wants.where(Webhook.stopped_at.is_(None))
    around = wants.join(_ATTACHMENTS, _ATTACHMENTS.c.addon_id == Webhook.addon_id)
    wanted = union(
        wants.where(Webhook.app_id == _APP_ID),
        wants.where(Webhook.addon_id == _ADDON_ID),
        around.where(_ATTACHMENTS.c.app_id == _APP_ID, _ADDON_ID.is_(None)),
    )
    queued = insert(WebhookOutbox).from_select(["webhook_id", "event_id"], wanted)
    return queued.returning(_DEFERRED).cte("told")


def recorded() -> tuple[CTE, CTE]:
    """What a statement of somebody else's adds to record a fact with its own rows, in one round trip; `fact` has the values."""
    return _EVENT.cte("recorded"), _told()


_RECORD: Final = Direct(_EVENT)
_RECORD_AND_TELL: Final = Direct(_EVENT.add_cte(_told()))
