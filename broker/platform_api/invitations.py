"""Inviting people to make an account. For operators; to others this endpoint does not exist."""

from __future__ import annotations

from fastapi import APIRouter, Request

from broker.accounts.sign_up import invite
from broker.faces.answers import Answer
from broker.platform_api.bodies import Text
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes
from broker.platform_api.notice_shapes import Invitation

router = APIRouter(tags=["operating"], responses=REFUSED)


class InviteBody(Body):
    """Whom to invite."""

    email: Text


@router.post(
    "/invitations", status_code=201, openapi_extra=takes(InviteBody, required=True), responses=gives(Invitation, 201)
)
async def create(request: Request, actor: CurrentActor) -> Answer:
    """Send somebody a link with which to make an account, within a week."""
    body = await read(request, InviteBody)
    return Answer({"email": await invite(face_of(request).ctx, actor, body.email)}, 201)
