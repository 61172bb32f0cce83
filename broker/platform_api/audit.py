"""The audit: who did what to what, from where and with which token; and, for operators, the proof that nobody changed it since."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request

from broker.apps.audit_trail import Entry, Wanted, get_link, read_trail
from broker.events.audit import verify_some
from broker.faces.answers import Answer
from broker.faces.ranges import ListRange, range_of, sliced
from broker.kernel.clock import rfc3339
from broker.kernel.errors import InvalidParams
from broker.kernel.ids import as_uuid
from broker.platform_api import operating_shapes
from broker.platform_api.deps import CurrentActor, face_of
from broker.platform_api.describe import REFUSED, gives

router = APIRouter(prefix="/audit", tags=["audit"], responses=REFUSED)
_LONGEST: Final = 300

Text = Annotated[str | None, Query(max_length=_LONGEST)]


@router.get("/entries", responses=gives(operating_shapes.AuditEntry, many=True))
async def entries(
    request: Request,
    actor: CurrentActor,
    app: Text = None,
    by: Text = None,
    kind: Text = None,
    since: Text = None,
    until: Text = None,
) -> Answer:
    """Facts by age; newest first with `Range: id ..; order=desc`. Operators see all, others their own and their apps'.

    `kind` is one such as `app.created`, or the noun before the point; `since` and `until` are instants.
    """
    wanted = range_of(request)
    found = await read_trail(
        face_of(request).ctx,
        actor,
        Wanted(app, by, kind, _instant("since", since), _instant("until", until)),
        after=as_uuid(wanted.start) if wanted.key == "id" else None,
        newest_first=wanted.descending,
        most=wanted.max + 1,
    )
    return sliced([entry(each) for each in found], _after(wanted), "id")


def _after(wanted: ListRange) -> ListRange:
    return wanted if wanted.key == "id" else ListRange(max=wanted.max, descending=wanted.descending)


@router.get("/verification", responses=gives(operating_shapes.AuditVerification))
async def verification(
    request: Request, actor: CurrentActor, after: Annotated[int, Query(ge=0, le=2**62)] = 0
) -> Answer:
    """Compute a part of the chain again; go on with `after` until it is null. For operators."""
    part = await verify_some(face_of(request).ctx, actor, after)
    return Answer(
        {
            "links": part.links,
            "head": part.head,
            "digest": part.digest.hex(),
            "differences": list(part.differences),
            "after": part.after,
            "unsealed": part.unsealed,
            "waiting_since": None if part.waiting_since is None else rfc3339(part.waiting_since),
            "state": part.verdict.value,
        }
    )


@router.get("/links/{position}", responses=gives(operating_shapes.AuditEntry))
async def link(request: Request, actor: CurrentActor, position: str) -> Answer:
    """The fact at one place of the chain. For operators."""
    number = int(position) if position.isascii() and position.isdigit() and len(position) < 18 else 0
    return Answer(entry(await get_link(face_of(request).ctx, actor, number)))


def entry(found: Entry) -> operating_shapes.AuditEntry:
    """A fact in the shape of this face."""
    return {
        "id": str(found.id),
        "at": rfc3339(found.at),
        "kind": found.kind,
        "actor": {"id": str(found.actor_id), "email": found.actor_email},
        "app_id": _text(found.app_id),
        "addon_id": _text(found.addon_id),
        "data": dict(found.data),
        "authorization_id": _text(found.authorization_id),
        "client_id": _text(found.client_id),
        "address": found.address,
        "request_id": _text(found.request_id),
        "position": found.position,
        "digest": None if found.digest is None else found.digest.hex(),
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _instant(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise InvalidParams(f"{name}: must be an instant with its zone, such as 2026-11-01T00:00:00Z.")
    return instant
