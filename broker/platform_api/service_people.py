"""The people around a service: those who work on it, and the users whom they let in."""

from __future__ import annotations

from fastapi import APIRouter, Request

from broker.catalog.entitlements import EntitlementView, entitle, list_entitlements, revoke_entitlement
from broker.catalog.members import MemberView, Role, list_members, remove_member, set_member
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.kernel.clock import rfc3339
from broker.kernel.errors import InvalidParams
from broker.platform_api import listing_shapes
from broker.platform_api.bodies import Text
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(tags=["partners"], responses=REFUSED)


class MemberBody(Body):
    """A user, by e-mail address, and the role: owner, admin or developer."""

    email: Text
    role: Text


class EntitlementBody(Body):
    """A user, by e-mail address, and the plan; without one it is the service as a whole, while it is alpha."""

    email: Text
    plan: Text | None = None


_MEMBERS = "/provider-services/{service}/members"
_ENTITLEMENTS = "/provider-services/{service}/entitlements"


@router.get(_MEMBERS, responses=gives(listing_shapes.ServiceMember, many=True))
async def members(request: Request, actor: CurrentActor, service: str) -> Answer:
    """Who works on the service, owners first."""
    return page(request, [_member(view) for view in await list_members(face_of(request).ctx, actor, service)])


@router.post(_MEMBERS, openapi_extra=takes(MemberBody, required=True), responses=gives(listing_shapes.ServiceMember))
async def set_(request: Request, actor: CurrentActor, service: str) -> Answer:
    """Make a user a member, or give a member another role."""
    body = await read(request, MemberBody)
    return Answer(_member(await set_member(face_of(request).ctx, actor, service, body.email, _role(body.role))))


@router.delete(_MEMBERS + "/{email}", responses=gives(listing_shapes.ServiceMember, many=True))
async def remove(request: Request, actor: CurrentActor, service: str, email: str) -> Answer:
    """End a membership; those who are left, or none for whoever has left."""
    ctx = face_of(request).ctx
    await remove_member(ctx, actor, service, email)
    left = [] if email.lower() == actor.email.lower() else await list_members(ctx, actor, service)
    return Answer([_member(view) for view in left])


@router.get(_ENTITLEMENTS, responses=gives(listing_shapes.Entitlement, many=True))
async def entitlements(request: Request, actor: CurrentActor, service: str) -> Answer:
    """The users who are let in."""
    views = await list_entitlements(face_of(request).ctx, actor, service)
    return page(request, [_entitlement(view) for view in views])


@router.post(
    _ENTITLEMENTS, openapi_extra=takes(EntitlementBody, required=True), responses=gives(listing_shapes.Entitlement)
)
async def grant(request: Request, actor: CurrentActor, service: str) -> Answer:
    """Let a user in."""
    body = await read(request, EntitlementBody)
    return Answer(_entitlement(await entitle(face_of(request).ctx, actor, service, body.email, body.plan)))


@router.delete(_ENTITLEMENTS + "/{email}", responses=gives(listing_shapes.Entitlement, many=True))
async def revoke(request: Request, actor: CurrentActor, service: str, email: str, plan: str | None = None) -> Answer:
    """Let a user in no longer, to the plan, or without one to the service as a whole; those who still are."""
    ctx = face_of(request).ctx
    await revoke_entitlement(ctx, actor, service, email, plan)
    return Answer([_entitlement(view) for view in await list_entitlements(ctx, actor, service)])


def _role(text: str) -> Role:
    if text not in set(Role):
        raise InvalidParams(f"role: must be one of {', '.join(Role)}.")
    return Role(text)


def _member(view: MemberView) -> listing_shapes.ServiceMember:
    return {"user": str(view.user_id), "email": view.email, "role": view.role, "created_at": rfc3339(view.since)}


def _entitlement(view: EntitlementView) -> listing_shapes.Entitlement:
    return {"email": view.email, "plan": view.plan, "created_at": rfc3339(view.since)}
