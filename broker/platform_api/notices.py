"""What people were told by mail: one's own, and for operators all that there is to send. To others the latter does not exist."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request

from broker.faces.answers import Answer
from broker.faces.mails.letters import Letters
from broker.faces.ranges import page
from broker.kernel.clock import rfc3339
from broker.notices.letters import UnknownKind
from broker.notices.queries import NoticeView, get_mail, list_mails, list_notices
from broker.platform_api import notice_shapes, serialize
from broker.platform_api.deps import CurrentActor, face_of
from broker.platform_api.describe import REFUSED, gives

router = APIRouter(responses=REFUSED)


@router.get("/account/notices", tags=["account"], responses=gives(notice_shapes.Notice, many=True))
async def own(request: Request, actor: CurrentActor) -> Answer:
    """What you were told, the newest first."""
    face = face_of(request)
    letters = Letters(face.public_url)
    return page(request, [_notice(view, letters) for view in await list_notices(face.ctx, actor)])


@router.get("/mails", tags=["operating"], responses=gives(notice_shapes.Mail, many=True))
async def all_(
    request: Request, actor: CurrentActor, state: Literal["waiting", "sent", "kept", "given_up"] | None = None
) -> Answer:
    """What was or is to be sent to anybody, the newest first."""
    face = face_of(request)
    letters = Letters(face.public_url)
    return page(request, [_mail(view, letters) for view in await list_mails(face.ctx, actor, state)])


@router.get("/mails/{mail}", tags=["operating"], responses=gives(notice_shapes.WholeMail))
async def info(request: Request, actor: CurrentActor, mail: str) -> Answer:
    """One of them with its text. Links that only the receiver may follow are in it where no mail is sent, and nowhere else."""
    face = face_of(request)
    letters, view = Letters(face.public_url), await get_mail(face.ctx, actor, mail)
    return Answer({**_mail(view, letters), "text": _text(view, letters)})


def _notice(view: NoticeView, letters: Letters) -> notice_shapes.Notice:
    return {
        "id": str(view.id),
        "kind": view.kind,
        "subject": letters.subject(view.kind, view.facts),
        "text": _text(view, letters),
        "created_at": rfc3339(view.created_at),
    }


def _mail(view: NoticeView, letters: Letters) -> notice_shapes.Mail:
    return {
        "id": str(view.id),
        "to": view.address,
        "kind": view.kind,
        "subject": letters.subject(view.kind, view.facts),
        "state": view.state,
        "attempts": view.attempts,
        "last_error": view.last_error,
        "created_at": rfc3339(view.created_at),
        "finished_at": serialize.maybe(view.finished_at),
    }


def _text(view: NoticeView, letters: Letters) -> str | None:
    try:
        return letters.letter(view.kind, view.facts).text
    except UnknownKind:
        return None
