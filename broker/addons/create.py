"""`addons:create`: record the intent to provision. The provider is called by the worker, after this has committed."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from asyncpg import UniqueViolationError
from sqlalchemy import func, select

from broker.addons.budget_check import check_budgets
from broker.addons.budget_requests import Wish, ask_for
from broker.addons.intents import new_operation
from broker.addons.models import Addon, AddonState, OperationKind
from broker.addons.names import (
    automatic_addon_name,
    automatic_attachment_name,
    checked_addon_name,
    checked_attachment_name,
    config_var_names,
)
from broker.addons.provision_intent import record_provision
from broker.addons.queries import AddonView, current_addon, given_vars
from broker.addons.spending import planned
from broker.addons.taken import needs_takeover, taken_in_app
from broker.addons.trials import claim_trial
from broker.addons.wait import NO_WAIT, raise_failure, waiting
from broker.addons.work import options_place
from broker.apps.collaborators import require_owner
from broker.apps.releases import app_key
from broker.apps.resolve import AppView, changeable_app
from broker.billing.budgets import Place
from broker.catalog.offers import Offer
from broker.catalog.options import check_options
from broker.catalog.queries import PlanView, offer_to_install
from broker.events.emit import fact
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import BudgetExceeded, Conflict, InvalidParams, NameTaken
from broker.kernel.ids import new_id
from broker.payments.delinquency import require_paid_up
from broker.payments.standing import require_currency, require_verified

_NAME_TRIES: Final = 6
_LONGEST_OPTIONS: Final = 16 * 1024
_chance = random.Random()  # noqa: S311 - for names, which are no secrets; made up by the dozen, they should cost little


@dataclass(frozen=True, slots=True)
class CreateAddon:
    """What the developer asks for. `plan` is `service`, `service:plan` or a plan's id."""

    app: str
    plan: str
    name: str | None = None
    attachment_name: str | None = None
    confirm: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    ask: bool = False
    """Whether to ask for approval of what a budget does not allow."""
    accept_trial_end: bool = False
    """Whether the account agrees to pay when a trial is over; otherwise the add-on is suspended then."""


async def create_addon(
    ctx: Context, actor: Actor, request: CreateAddon, *, wait: timedelta = NO_WAIT, addon_id: UUID | None = None
) -> AddonView:
    """Write the intent, wait up to `wait` for its outcome, and answer with what is true by then.

    Transactions: one for the intent, committed before any wait; a short one to read the result.
    Raises: NotFound, InvalidParams, NameTaken, ConfirmationRequired, BudgetExceeded; ProviderRefused or
        ProviderUnavailable if that is known within `wait`.
    """
    actor.require(Scope.WRITE_PROTECTED)
    operation_id, addon_id = new_id(), addon_id or new_id()
    async with waiting(ctx, operation_id, wait) as outcome:
        try:
            recorded = await _record_with_a_free_name(ctx, actor, request, addon_id, operation_id)
        except BudgetExceeded as refusal:
            if not request.ask:
                raise
            raise await ask_for(ctx, actor, Wish(request.app, request.plan), refusal) from None
        await outcome()
    if not wait:
        return recorded
    await raise_failure(ctx.database, operation_id)
    return await current_addon(ctx.database, addon_id)


async def _record_with_a_free_name(
    ctx: Context, actor: Actor, request: CreateAddon, addon_id: UUID, operation_id: UUID
) -> AddonView:
    tries = 0
    while True:
        tries += 1
        try:
            async with ctx.database.transaction() as tx:
                return await record_creation(tx, ctx, actor, request, addon_id, operation_id)
        except UniqueViolationError as error:
            chosen, refusal = _clash(error, request)
            if chosen or tries == _NAME_TRIES:
                raise refusal from None


def _clash(error: UniqueViolationError, request: CreateAddon) -> tuple[str | None, Exception]:
    """The name that is taken, if it was chosen and not made up; and what to say about it."""
    if error.constraint_name == "uq_addons_name":
        return request.name, NameTaken()
    if error.constraint_name == "pk_addons":
        return "id", Conflict("The same request has just been answered; ask again.")
    if error.constraint_name == "uq_attachments_app_id_name":
        return request.attachment_name, Conflict("Another attachment took that name at the same moment; try again.")
    raise error


async def record_creation(
    tx: Tx, ctx: Context, actor: Actor, request: CreateAddon, addon_id: UUID, operation_id: UUID
) -> AddonView:
    """Write the intent, in the caller's transaction; the add-on as it was written."""
    app = await changeable_app(tx, actor, request.app, keep=True)
    offer = await offer_to_install(tx, actor, request.plan)
    plan, now = offer.plan, ctx.clock.now()
    if not plan.is_free:
        require_owner(actor, app, "add paid add-ons to it")
        await require_paid_up(tx, app.payer_id)
        await require_currency(tx, app.payer_id, plan.currency)
    check_options(plan.name, plan.options_schema, request.options)
    await _check_installable(tx, app, plan)
    if not plan.is_free and not await _is_tried(tx, app, plan, addon_id, request, now):
        await require_verified(tx, ctx, app.payer_id)
        place = Place(app.id, plan.service.id, actor.authorization_id)
        await check_budgets(tx, actor, planned(addon_id, app.id, app.payer_id, plan), place, now)
    name, wanted = await attachment_name_for(tx, app, plan, request)
    sealed = await _sealed_options(tx, ctx, app, addon_id, request.options)
    view = _new_addon(addon_id, app, offer, request.name, name, now)
    attachment = {
        "id": new_id(),
        "app_id": app.id,
        "addon_id": addon_id,
        "name": name,
        "wanted_name": wanted,
        "created_at": now,
        "updated_at": now,
    }
    operation = new_operation(operation_id, addon_id, OperationKind.PROVISION, actor, now)
    requested = fact(
        "addon.requested", actor, now, app_id=app.id, addon_id=addon_id,
        plan=plan.name, attachment=wanted or name, attachment_id=str(attachment["id"]),
    )  # fmt: skip
    operation |= {"plan_id": plan.id, "options_sealed": sealed}
    await record_provision(tx, _row(view), attachment, operation, requested)
    return view


def _new_addon(
    addon_id: UUID, app: AppView, offer: Offer, name: str | None, attachment: str, now: datetime
) -> AddonView:
    """The add-on as it is going to be recorded."""
    slug = offer.service.slug
    return AddonView(
        id=addon_id,
        name=checked_addon_name(name) if name else automatic_addon_name(slug, _chance),
        state=AddonState.PROVISIONING,
        reason=None,
        app_id=app.id,
        app_name=app.name,
        owner_email=app.owner_email,
        service=offer.service,
        plan=offer.plan,
        price_cents=offer.plan.price_cents,
        currency=offer.plan.currency,
        config_vars=tuple(given_vars(offer.service, attachment)),
        provider_id=None,
        provision_message=None,
        region=app.region,
        created_at=now,
        updated_at=now,
    )


def _row(view: AddonView) -> dict[str, Any]:
    same = ("id", "name", "app_id", "price_cents", "currency", "state", "region", "created_at", "updated_at")
    return {column: getattr(view, column) for column in same} | {
        "service_id": view.service.id,
        "plan_id": view.plan.id,
    }


async def _is_tried(tx: Tx, app: AppView, plan: PlanView, addon_id: UUID, request: CreateAddon, now: datetime) -> bool:
    """Whether it costs nothing at first: what it costs then is checked when it begins to."""
    if not plan.trial_days:
        return False
    return await claim_trial(tx, app.payer_id, plan.service.id, addon_id, now, accepted=request.accept_trial_end)


async def _check_installable(tx: Tx, app: AppView, plan: PlanView) -> None:
    if app.region not in plan.regions and "*" not in plan.regions:
        raise InvalidParams(f"{plan.name} is not offered in region {app.region}, only in {', '.join(plan.regions)}.")
    if plan.service.supports_multiple_installations:
        return
    await take_turn(tx, app.id, plan.service.id)
    present = select(Addon.name).where(
        Addon.app_id == app.id, Addon.service_id == plan.service.id, Addon.state != AddonState.DEPROVISIONED
    )
    if name := (await tx.execute(present.limit(1))).scalar():
        raise InvalidParams(f"{plan.service.name} can be added once per app, and {name} is there already.")


async def take_turn(tx: Tx, app_id: UUID, service_id: UUID) -> None:
    """Nobody else adds or moves an add-on of the service to the app until the transaction ends."""
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"{app_id}:{service_id}", 0))))


async def attachment_name_for(tx: Tx, app: AppView, plan: PlanView, request: CreateAddon) -> tuple[str, str | None]:
    """The name of its attachment from now on, and the confirmed one that it takes over once it is provisioned."""
    service, taken = plan.service, await taken_in_app(tx, app.id)
    automatic = automatic_attachment_name(service.prefix, service.config_vars, taken.attachments, taken.vars, _chance)
    if request.attachment_name is None:
        return automatic, None
    name = checked_attachment_name(request.attachment_name)
    names = config_var_names(service.config_vars, service.prefix, name)
    if needs_takeover(app.name, name, names, taken, request.confirm):
        return automatic, name
    return name, None


async def _sealed_options(
    tx: Tx, ctx: Context, app: AppView, addon_id: UUID, options: Mapping[str, str]
) -> bytes | None:
    if not options:
        return None
    text = json.dumps(dict(options)).encode()
    if len(text) > _LONGEST_OPTIONS:
        raise InvalidParams("The options of an add-on may have 16 KiB in all.")
    return (await app_key(tx, ctx.vault, app.id)).seal(text, options_place(addon_id))
