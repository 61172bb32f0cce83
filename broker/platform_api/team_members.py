"""Who is in a team, and who was asked to be.

Source: the team members and team invitations of the public Platform API.
"""

from __future__ import annotations

from uuid import uuid5

from fastapi import APIRouter, Request

from broker.accounts.team_roles import checked_team_role
from broker.apps import team_invitations as invitations
from broker.apps import team_members as members
from broker.apps.team_invitations import InvitationView
from broker.apps.team_members import MemberView
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.faces.serialize import ref
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor
from broker.kernel.secret import Secret
from broker.platform_api import shapes, team_shapes
from broker.platform_api.bodies import Text, Truth
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(tags=["teams"], responses=REFUSED)


class MemberBody(Body):
    """Who is to have which role: owner, admin, member, viewer or billing."""

    email: Text
    role: Text
    federated: Truth | None = None


class AnswerBody(Body):
    """With the token of the mail, or the invitation's id or the team's name where one's own address was asked."""

    token: Text | None = None
    invitation: Text | None = None


def member_shape(view: MemberView) -> team_shapes.TeamMember:
    """A member in the shape of this face."""
    return {
        "id": str(view.id),
        "email": view.email,
        "federated": False,
        "role": view.role.value,
        "two_factor_authentication": view.has_two_factor,
        "user": {"id": str(view.user_id), "email": view.email, "name": view.name},
        "identity_provider": None,
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
    }


def invitation_shape(view: InvitationView) -> team_shapes.TeamInvitation:
    """An invitation in the shape of this face. Whether there is an account for the address, nobody is told."""
    asked = str(uuid5(view.id, view.email))
    return {
        "id": str(view.id),
        "email": view.email,
        "role": view.role.value,
        "state": view.state.value,
        "team": ref(view.team_id, view.team_name),
        "invited_by": {"id": str(view.invited_by), "email": view.invited_by_email, "name": None},
        "user": {"id": asked, "email": view.email, "name": None},
        "expires_at": rfc3339(view.expires_at),
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
    }


@router.get("/teams/{team}/members", responses=gives(shapes.TeamMember, many=True))
async def list_(request: Request, actor: CurrentActor, team: str) -> Answer:
    """Everybody in the team, in the order in which they came."""
    views = await members.list_team_members(face_of(request).ctx, actor, team)
    return page(request, [member_shape(view) for view in views])


@router.put("/teams/{team}/members", openapi_extra=takes(MemberBody, required=True), responses=gives(shapes.TeamMember))
@router.post(
    "/teams/{team}/members", openapi_extra=takes(MemberBody, required=True), responses=gives(shapes.TeamMember)
)
async def put(request: Request, actor: CurrentActor, team: str) -> Answer:
    """Give somebody who has an account a role in the team, who need not be in it yet. For owners and admins."""
    return await _put(request, actor, team, adding=True)


@router.patch(
    "/teams/{team}/members", openapi_extra=takes(MemberBody, required=True), responses=gives(shapes.TeamMember)
)
async def change(request: Request, actor: CurrentActor, team: str) -> Answer:
    """Give somebody in the team another role. For owners and admins."""
    return await _put(request, actor, team, adding=False)


async def _put(request: Request, actor: Actor, team: str, *, adding: bool) -> Answer:
    body = await read(request, MemberBody)
    ctx, role = face_of(request).ctx, checked_team_role(body.role)
    return Answer(member_shape(await members.put_team_member(ctx, actor, team, body.email, role, adding=adding)))


@router.get("/teams/{team}/members/{member}", responses=gives(shapes.TeamMember))
async def info(request: Request, actor: CurrentActor, team: str, member: str) -> Answer:
    """One of them by e-mail address or id."""
    return Answer(member_shape(await members.get_team_member(face_of(request).ctx, actor, team, member)))


@router.delete("/teams/{team}/members/{member}", responses=gives(shapes.TeamMember))
async def remove(request: Request, actor: CurrentActor, team: str, member: str) -> Answer:
    """End a membership. Owners and admins remove others, everybody may leave."""
    return Answer(member_shape(await members.remove_team_member(face_of(request).ctx, actor, team, member)))


@router.get("/teams/{team}/invitations", responses=gives(shapes.TeamInvitation, many=True))
async def invited(request: Request, actor: CurrentActor, team: str) -> Answer:
    """Who was asked into the team and has not answered, newest first."""
    views = await invitations.list_team_invitations(face_of(request).ctx, actor, team)
    return page(request, [invitation_shape(view) for view in views])


@router.put(
    "/teams/{team}/invitations",
    status_code=201,
    openapi_extra=takes(MemberBody, required=True),
    responses=gives(shapes.TeamInvitation, 201),
)
async def invite(request: Request, actor: CurrentActor, team: str) -> Answer:
    """Ask whoever reads the mail of an address into the team. Asking again voids the earlier mail. For owners and admins."""
    body = await read(request, MemberBody)
    ctx, role = face_of(request).ctx, checked_team_role(body.role)
    return Answer(invitation_shape(await invitations.invite_to_team(ctx, actor, team, body.email, role)), 201)


@router.delete("/teams/{team}/invitations/{invitation}", responses=gives(shapes.TeamInvitation))
async def revoke(request: Request, actor: CurrentActor, team: str, invitation: str) -> Answer:
    """Take an invitation back, by its id or address. For owners and admins."""
    view = await invitations.revoke_invitation(face_of(request).ctx, actor, team, invitation)
    return Answer(invitation_shape(view))


@router.get("/account/team-invitations", responses=gives(shapes.TeamInvitation, many=True))
async def own(request: Request, actor: CurrentActor) -> Answer:
    """The teams that the account's address was asked into and that wait for an answer."""
    views = await invitations.list_own_invitations(face_of(request).ctx, actor)
    return page(request, [invitation_shape(view) for view in views])


@router.post(
    "/account/team-invitations/actions/accept",
    openapi_extra=takes(AnswerBody),
    responses=gives(shapes.TeamInvitation),
)
async def accept(request: Request, actor: CurrentActor) -> Answer:
    """Come into the team."""
    ctx, (token, key) = face_of(request).ctx, await _which(request)
    return Answer(invitation_shape(await invitations.accept_invitation(ctx, actor, token=token, key=key)))


@router.post(
    "/account/team-invitations/actions/decline",
    openapi_extra=takes(AnswerBody),
    responses=gives(shapes.TeamInvitation),
)
async def decline(request: Request, actor: CurrentActor) -> Answer:
    """Say no."""
    ctx, (token, key) = face_of(request).ctx, await _which(request)
    return Answer(invitation_shape(await invitations.decline_invitation(ctx, actor, token=token, key=key)))


async def _which(request: Request) -> tuple[Secret | None, str]:
    body = await read(request, AnswerBody)
    return Secret(body.token) if body.token else None, body.invitation or ""
