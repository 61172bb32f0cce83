"""What an actor may see and install of a service that is not simply for everybody: while it is alpha, or by invitation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, or_, select

from broker.catalog.manifest_plans import PlanState
from broker.catalog.members import Role, role_of
from broker.catalog.models import AddonService, Entitlement, ServiceMember
from broker.catalog.views import ALPHA, INSTALLABLE_STATES, SUNSET, PlanView, offered_to_all
from broker.kernel.context import Actor
from broker.kernel.db import Tx


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody is to a service."""

    role: Role | None = None
    invited: bool = False
    """To the service as a whole, or to any plan of it."""
    plans: frozenset[UUID] = frozenset()
    """The plans that the actor is invited to."""

    def sees(self, state: str) -> bool:
        """Whether a service in this state is there at all."""
        return state != ALPHA or self.role is not None or self.invited

    def may_install(self, plan: PlanView) -> bool:
        """Whether a new add-on may be made on the plan. Before general availability only free ones may."""
        open_ = plan.service.state in (ALPHA, *INSTALLABLE_STATES)
        return open_ and self.may_have(plan)

    def may_have(self, plan: PlanView) -> bool:
        """Whether an add-on that is there may move to the plan: also while the service is on its way out."""
        state = plan.service.state
        if state == SUNSET:
            return self._allowed(plan)
        return self.sees(state) and offered_to_all(state, free=plan.is_free, alpha=True) and self._allowed(plan)

    def _allowed(self, plan: PlanView) -> bool:
        if plan.state == PlanState.PUBLIC or self.role is not None:
            return True
        return plan.state == PlanState.INVITE and plan.id in self.plans


ANYBODY: Final = Standing()


async def standing(tx: Tx, actor: Actor, service_id: UUID) -> Standing:
    """What the actor is to the service."""
    held = select(Entitlement.plan_id).where(Entitlement.user_id == actor.id, Entitlement.service_id == service_id)
    plans = list((await tx.execute(held)).scalars())
    invited = frozenset(plan for plan in plans if plan is not None)
    return Standing(await role_of(tx, service_id, actor), bool(plans), invited)


def listed_for_all() -> ColumnElement[bool]:
    """The condition for services that everybody finds in the marketplace, signed in or not."""
    return AddonService.state.in_(INSTALLABLE_STATES)


def listed_for(actor: Actor) -> ColumnElement[bool]:
    """The condition for services that the actor finds in the marketplace."""
    member = exists().where(ServiceMember.service_id == AddonService.id, ServiceMember.user_id == actor.id)
    invited = exists().where(Entitlement.service_id == AddonService.id, Entitlement.user_id == actor.id)
    return or_(listed_for_all(), and_(AddonService.state == ALPHA, or_(member, invited)))
