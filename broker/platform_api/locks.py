"""Locking accounts, and helping a team whose owners are all locked out. For operators; to others these endpoints do not exist."""

from __future__ import annotations

from fastapi import APIRouter, Request

from broker.accounts.locking import LockView, get_lock, list_locked, lock_account, unlock_account
from broker.apps.team_rescue import appoint_owner
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.platform_api import operating_shapes, serialize, shapes
from broker.platform_api.bodies import Text, Truth
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes
from broker.platform_api.team_members import member_shape

router = APIRouter(tags=["operating"], responses=REFUSED)
_ONE = "/account-locks/{person}"


class LockBody(Body):
    """Why, and whether its tokens shall be void for ever, too."""

    reason: Text
    revoke_tokens: Truth | None = None


class UnlockBody(Body):
    """Why, if there is more to say than why it was locked."""

    reason: Text | None = None


class OwnerBody(Body):
    """Who shall be an owner."""

    email: Text


def lock(view: LockView) -> operating_shapes.AccountLock:
    """How an account stands, in the shape of this face."""
    return {
        "id": str(view.id),
        "email": view.email,
        "locked": view.locked_at is not None,
        "locked_at": serialize.maybe(view.locked_at),
        "locked_by": view.locked_by,
        "reason": view.locked_reason,
    }


@router.get("/account-locks", responses=gives(operating_shapes.AccountLock, many=True))
async def list_(request: Request, actor: CurrentActor) -> Answer:
    """The accounts that are locked, the newest lock first."""
    return page(request, [lock(view) for view in await list_locked(face_of(request).ctx, actor)])


@router.get(_ONE, responses=gives(operating_shapes.AccountLock))
async def info(request: Request, actor: CurrentActor, person: str) -> Answer:
    """Whether a person's account is locked."""
    return Answer(lock(await get_lock(face_of(request).ctx, actor, person)))


@router.put(_ONE, openapi_extra=takes(LockBody, required=True), responses=gives(operating_shapes.AccountLock))
async def put(request: Request, actor: CurrentActor, person: str) -> Answer:
    """Let nobody in to a person's account from now on. What it owns goes on."""
    actor.require_operator()
    ctx, body = face_of(request).ctx, await read(request, LockBody)
    view = await lock_account(ctx, actor, person, body.reason, revoke_tokens=bool(body.revoke_tokens))
    return Answer(lock(view))


@router.delete(_ONE, openapi_extra=takes(UnlockBody), responses=gives(operating_shapes.AccountLock))
async def remove(request: Request, actor: CurrentActor, person: str) -> Answer:
    """Let its person in again. Sessions that have ended stay ended."""
    actor.require_operator()
    ctx, body = face_of(request).ctx, await read(request, UnlockBody)
    return Answer(lock(await unlock_account(ctx, actor, person, body.reason or "")))


@router.post(
    "/teams/{team}/actions/appoint-owner",
    openapi_extra=takes(OwnerBody, required=True),
    responses=gives(shapes.TeamMember),
)
async def appoint(request: Request, actor: CurrentActor, team: str) -> Answer:
    """Make somebody an owner of a team all of whose owners are locked out."""
    actor.require_operator()
    ctx, body = face_of(request).ctx, await read(request, OwnerBody)
    return Answer(member_shape(await appoint_owner(ctx, actor, team, body.email)))
