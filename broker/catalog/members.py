"""Who works for the partner behind a service, in which role, and the doors that only they pass."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from broker.accounts.models import User
from broker.catalog.manifest_plans import SLUG
from broker.catalog.models import AddonService, ServiceMember
from broker.catalog.reading import TextRule
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, Forbidden, NotFound


class Role(StrEnum):
    """What a member may do; each role includes those after it."""

    OWNER = "owner"
    """Members, the client secret, the life of the listing."""
    ADMIN = "admin"
    """Pushes manifests, sees and rotates the secrets in them, invites users."""
    DEVELOPER = "developer"
    """Reads manifests without their secrets, installs plans that are not public."""

    def reaches(self, needed: Role) -> bool:
        """Whether this role includes `needed`."""
        return _ORDER.index(self) <= _ORDER.index(needed)


_ORDER: Final = tuple(Role)
_ADDRESS: Final = TextRule(254)


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member as other members see them."""

    user_id: UUID
    email: str
    role: Role
    since: datetime


@dataclass(frozen=True, slots=True)
class PartnerService:
    """A service as its partner meets it."""

    id: UUID
    slug: str
    state: str
    revision: int
    data_key: bytes
    role: Role


async def role_of(tx: Tx, service_id: UUID, actor: Actor) -> Role | None:
    """What the actor is to the service. Who runs this installation can do whatever an owner can."""
    if actor.is_operator:
        return Role.OWNER
    wanted = select(ServiceMember.role).where(ServiceMember.service_id == service_id, ServiceMember.user_id == actor.id)
    role = (await tx.execute(wanted)).scalar_one_or_none()
    return None if role is None else Role(role)


async def member_service(tx: Tx, actor: Actor, slug: str, needed: Role) -> PartnerService:
    """The service with this slug, for a member in at least this role.

    Raises: NotFound for those who are no members, as if there were none; Forbidden, naming the role that is missing.
    """
    return await _service(tx, actor, slug, needed, _SERVICE)


async def locked_service(tx: Tx, actor: Actor, slug: str, needed: Role) -> PartnerService:
    """The same, its row locked: one change of a service at a time.

    Raises: NotFound, Forbidden.
    """
    # Add-ons refer to the row, and their users must not wait for a partner: the key itself stays as it is.
    return await _service(tx, actor, slug, needed, _SERVICE.with_for_update(key_share=True))


async def list_members(ctx: Context, actor: Actor, slug: str) -> list[MemberView]:
    """The members, owners first, for any of them.

    Raises: NotFound.
    """
    async with ctx.database.transaction() as tx:
        service = await member_service(tx, actor, slug, Role.DEVELOPER)
        wanted = (
            select(User.id, User.email, ServiceMember.role, ServiceMember.created_at)
            .join(User, User.id == ServiceMember.user_id)
            .where(ServiceMember.service_id == service.id)
        )
        found = [MemberView(row[0], row[1], Role(row[2]), row[3]) for row in await tx.execute(wanted)]
    return sorted(found, key=lambda member: (_ORDER.index(member.role), member.email))


async def set_member(ctx: Context, actor: Actor, slug: str, email: str, role: Role) -> MemberView:
    """Make the user a member, or give the member another role.

    Raises: NotFound, Forbidden, Conflict when no owner would be left.
    """
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        service = await locked_service(tx, actor, slug, Role.OWNER)
        user_id, known_as = await find_user(tx, email)
        row = {"service_id": service.id, "user_id": user_id, "role": role, "created_at": now}
        changed = insert(ServiceMember).values(**row)
        key = [ServiceMember.service_id, ServiceMember.user_id]
        statement = changed.on_conflict_do_update(index_elements=key, set_={"role": role})
        since = (await tx.execute(statement.returning(ServiceMember.created_at))).scalar_one()
        await _keep_an_owner(tx, service.id)
        await emit(tx, "service_member.changed", actor, now, service=slug, user=str(user_id), role=role)
    return MemberView(user_id, known_as, role, since)


async def remove_member(ctx: Context, actor: Actor, slug: str, email: str) -> None:
    """End a membership; add-ons that the member has created stay.

    Raises: NotFound, Forbidden, Conflict when no owner would be left.
    """
    async with ctx.database.transaction() as tx:
        service = await locked_service(tx, actor, slug, Role.OWNER)
        user_id, _ = await find_user(tx, email)
        gone = delete(ServiceMember).where(ServiceMember.service_id == service.id, ServiceMember.user_id == user_id)
        if not (await tx.execute(gone)).rowcount:
            raise NotFound("member", "There is no such member of this service.")
        await _keep_an_owner(tx, service.id)
        await emit(tx, "service_member.removed", actor, ctx.clock.now(), service=slug, user=str(user_id))


async def add_owner(tx: Tx, service_id: UUID, actor: Actor, now: datetime) -> None:
    """Make who has registered a service its first owner."""
    row = {"service_id": service_id, "user_id": actor.id, "role": Role.OWNER, "created_at": now}
    await tx.execute(insert(ServiceMember).values(**row))


async def has_members(tx: Tx, service_id: UUID) -> bool:
    """Whether a partner stands behind the service; one that the operator's files declare has none."""
    wanted = select(ServiceMember.user_id).where(ServiceMember.service_id == service_id).limit(1)
    return (await tx.execute(wanted)).first() is not None


async def find_user(tx: Tx, email: str) -> tuple[UUID, str]:
    """The user with this address, and how it is spelt.

    Raises: NotFound.
    """
    wanted = select(User.id, User.email).where(func.lower(User.email) == email.lower(), User.team_name.is_(None))
    row = (await tx.execute(wanted)).one_or_none() if _ADDRESS.complaint(email) is None else None
    if row is None:
        raise NotFound("user", "There is no user with this e-mail address; ask them to create an account first.")
    return row[0], row[1]


_SERVICE: Final = select(
    AddonService.id, AddonService.slug, AddonService.state, AddonService.revision, AddonService.data_key
)


async def _service(tx: Tx, actor: Actor, slug: str, needed: Role, wanted: Select[*tuple[Any, ...]]) -> PartnerService:
    actor.require_own_token()
    known = SLUG.complaint(slug) is None
    row = (await tx.execute(wanted.where(AddonService.slug == slug))).one_or_none() if known else None
    role = None if row is None else await role_of(tx, row.id, actor)
    if row is None or role is None:
        raise NotFound("add_on_service", "Couldn't find that add-on service among those that you work on.")
    if not role.reaches(needed):
        raise Forbidden(f"Your role is {role}; this needs the role {needed}. Ask an owner of {row.slug}.")
    return PartnerService(row.id, row.slug, row.state, row.revision, row.data_key, role)


async def _keep_an_owner(tx: Tx, service_id: UUID) -> None:
    owners = select(ServiceMember.user_id).where(
        ServiceMember.service_id == service_id, ServiceMember.role == Role.OWNER
    )
    if (await tx.execute(owners.limit(1))).first() is None:
        raise Conflict("A service needs an owner: make somebody else an owner first.")
