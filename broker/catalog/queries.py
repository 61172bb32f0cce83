"""Finding services and plans: lists for everybody, look-ups by slug or id, and what a user's `redis:mini` means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Select, Text, bindparam, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import TSQUERY

from broker.catalog.access import ANYBODY, Standing, listed_for, standing
from broker.catalog.manifest_plans import PlanState
from broker.catalog.models import AddonService, Plan
from broker.catalog.offers import SLUG, Offer, find_install, find_offer
from broker.catalog.search_models import NAME, SearchEntry
from broker.catalog.shared_secrets import ServiceSecrets, old_password, open_secrets, owner
from broker.catalog.views import (
    ALPHA,
    GA,
    PLAN_COLUMNS,
    SERVICE_COLUMNS,
    SUNSET,
    PlanView,
    ServiceRef,
    ServiceView,
    plan_view,
    service_view,
    sunset_text,
)
from broker.catalog.words import words
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.direct import Direct
from broker.kernel.errors import InvalidParams, NotFound
from broker.kernel.ids import as_uuid
from broker.kernel.secret import Secret

__all__ = [
    "PlanView",
    "ServiceRef",
    "ServiceRow",
    "ServiceSecrets",
    "ServiceView",
    "all_plans",
    "get_plan",
    "get_service",
    "list_plans",
    "list_services",
    "offer_to_install",
    "plans_for",
    "resolve_offer",
    "resolve_plan",
    "service_row",
    "services_with_plans",
    "visible_plan",
    "visible_plans",
    "visible_service",
]

_LONGEST_QUOTED: Final = 60
_MOST_SIMILAR, _MOST_WORDS, _ALIKE = 200, 5, 2


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """How to reach a service's provider."""

    id: UUID
    slug: str
    api_version: str
    url_style: str
    base_url: str
    sso_url: str | None
    prefix: str
    config_vars: tuple[str, ...]
    secrets: ServiceSecrets
    old_password: Secret | None
    """The one before, while the overlap after a change lasts."""


_ACCESS_COLUMNS: Final = (
    AddonService.id,
    AddonService.slug,
    AddonService.api_version,
    AddonService.url_style,
    AddonService.base_url,
    AddonService.sso_url,
    AddonService.prefix,
    AddonService.config_vars,
    AddonService.data_key,
    AddonService.password_sealed,
    AddonService.sso_salt_sealed,
    AddonService.old_password_sealed,
    AddonService.old_secrets_until,
)


async def list_services(ctx: Context, actor: Actor) -> list[ServiceView]:
    """The services that are on offer to the actor, by slug.

    Raises: Forbidden.
    """
    actor.require(Scope.IDENTITY)
    statement = select(*SERVICE_COLUMNS).where(listed_for(actor)).order_by(AddonService.slug)
    async with ctx.database.transaction() as tx:
        return [service_view(row) for row in (await tx.execute(statement)).mappings()]


async def get_service(tx: Tx, key: str | UUID) -> ServiceView:
    """The service with this slug or id, whatever its state.

    Raises: NotFound, with the slugs that come close.
    """
    if (wanted := _service(key)) is not None:
        row = (await tx.execute(select(*SERVICE_COLUMNS).where(wanted))).mappings().one_or_none()
        if row is not None:
            return service_view(row)
    raise await _unknown_service(tx, str(key))


async def visible_service(tx: Tx, actor: Actor, key: str) -> ServiceView:
    """The service with this slug or id as the actor finds it: what is alpha is there for those who are let in.

    An id, which nobody guesses, finds it in any state: it is told by the add-ons that one has.
    Raises: NotFound, with the slugs that come close.
    """
    service = await get_service(tx, key)
    if service.state != ALPHA or as_uuid(key) or (await standing(tx, actor, service.id)).sees(ALPHA):
        return service
    raise await _unknown_service(tx, key)


async def visible_plans(tx: Tx, actor: Actor, service_key: str) -> list[PlanView]:
    """The plans of a service that the actor may find there, in the order of its manifest.

    Raises: NotFound.
    """
    return await plans_for(tx, actor, await visible_service(tx, actor, service_key))


async def plans_for(tx: Tx, actor: Actor | None, service: ServiceRef) -> list[PlanView]:
    """The same of a service that the actor finds; without one, what everybody finds."""
    plans = await all_plans(tx, service.id)
    if all(plan.visible for plan in plans):
        return plans
    reach = await standing(tx, actor, service.id) if actor else None
    return [plan for plan in plans if plan.visible or (reach is not None and reach.may_have(plan))]


async def visible_plan(tx: Tx, actor: Actor, key: str) -> PlanView:
    """The plan with this name, if the actor may find it; or with this id, which whoever has an add-on on it knows.

    Raises: NotFound.
    """
    plan = await get_plan(tx, key)
    if as_uuid(key) or (plan.visible and plan.service.state != ALPHA):
        return plan
    if (await standing(tx, actor, plan.service.id)).may_have(plan):
        return plan
    raise _no_plan(key)


async def list_plans(tx: Tx, service_key: str | UUID) -> list[PlanView]:
    """The public plans of a service, in the order of its manifest.

    Raises: NotFound.
    """
    service = await get_service(tx, service_key)
    return await _public_plans(tx, Plan.service_id == service.id)


async def all_plans(tx: Tx, service_id: UUID) -> list[PlanView]:
    """The plans of a service, whatever their state, in the order of its manifest."""
    return await _plans_where(tx, Plan.service_id == service_id)


async def services_with_plans(tx: Tx, services: Sequence[UUID]) -> list[tuple[ServiceView, list[PlanView]]]:
    """Each of these services that there is, by id, with all its plans in the order of its manifest."""
    found = select(*SERVICE_COLUMNS).where(AddonService.id.in_(services)).order_by(AddonService.id)
    views = [service_view(row) for row in (await tx.execute(found)).mappings()]
    plans: dict[UUID, list[PlanView]] = {service.id: [] for service in views}
    for plan in await _plans_where(tx, Plan.service_id.in_(services)):
        plans[plan.service.id].append(plan)
    return [(service, plans[service.id]) for service in views]


async def get_plan(tx: Tx, key: str | UUID) -> PlanView:
    """The plan with this id or `service:plan` name, whatever its state.

    Raises: NotFound.
    """
    row = await _find(tx, key)
    if row is None:
        raise _no_plan(str(key))
    return plan_view(row)


async def resolve_plan(tx: Tx, actor: Actor, text: str) -> PlanView:
    """The plan to which the actor wants to move an add-on, by `redis` (its default plan), `redis:mini` or a plan's id.

    Raises: NotFound for a service that there is not, InvalidParams for a plan that there is not; both say what there is.
    """
    offer = await find_offer(tx, text)
    if offer is not None and (offer.plan.installable or (await _standing(tx, actor, offer)).may_have(offer.plan)):
        return offer.plan
    raise await _refusal(tx, actor, text, offer)


async def resolve_offer(tx: Tx, actor: Actor, text: str) -> Offer:
    """The plan that the actor may want for a new add-on, by the same, with its service.

    Raises: NotFound, InvalidParams, as above.
    """
    return await _allowed(tx, actor, text, await find_offer(tx, text))


async def offer_to_install(tx: Tx, actor: Actor, text: str) -> Offer:
    """The same for an add-on that is going to be made. One statement for what is for all, with the flag of installs.

    Raises: NotFound, InvalidParams, as above; Paused.
    """
    offer, refusal = await find_install(tx, text)
    offer = await _allowed(tx, actor, text, offer)
    if refusal is not None:
        raise refusal
    return offer


async def _allowed(tx: Tx, actor: Actor, text: str, offer: Offer | None) -> Offer:
    if offer is not None and (offer.plan.installable or (await _standing(tx, actor, offer)).may_install(offer.plan)):
        return offer
    raise await _refusal(tx, actor, text, offer)


async def _standing(tx: Tx, actor: Actor, offer: Offer) -> Standing:
    return await standing(tx, actor, offer.service.id)


async def service_row(tx: Tx, ctx: Context, key: str | UUID) -> ServiceRow:
    """How to reach the provider of the service with this slug or id.

    Raises: NotFound.
    """
    wanted = _service(key)
    statement = select(*_ACCESS_COLUMNS)
    row = None if wanted is None else (await tx.execute(statement.where(wanted))).mappings().one_or_none()
    if row is None:
        raise await _unknown_service(tx, str(key))
    data_key, until = ctx.vault.unwrap(row["data_key"], owner(row["id"])), row["old_secrets_until"]
    return ServiceRow(
        id=row["id"],
        slug=row["slug"],
        api_version=row["api_version"],
        url_style=row["url_style"],
        base_url=row["base_url"],
        sso_url=row["sso_url"],
        prefix=row["prefix"],
        config_vars=tuple(row["config_vars"]),
        secrets=open_secrets(data_key, row["id"], row["password_sealed"], row["sso_salt_sealed"]),
        old_password=old_password(data_key, row["id"], row["old_password_sealed"], until, ctx.clock.now()),
    )


def _service(key: str | UUID) -> ColumnElement[bool] | None:
    """The condition that `key` stands for, or None when it can be neither slug nor id."""
    service_id = key if isinstance(key, UUID) else as_uuid(key)
    if service_id is not None:
        return AddonService.id == service_id
    return AddonService.slug == key if SLUG.fullmatch(str(key)) else None


def _plans() -> Select[*tuple[Any, ...]]:
    return select(*PLAN_COLUMNS).join(AddonService, AddonService.id == Plan.service_id)


async def _find(tx: Tx, key: str | UUID) -> RowMapping | None:
    plan_id = key if isinstance(key, UUID) else as_uuid(key)
    if plan_id is not None:
        return (await tx.execute(_plans().where(Plan.id == plan_id))).mappings().one_or_none()
    service, colon, slug = str(key).partition(":")
    if not SLUG.fullmatch(service) or (colon and not SLUG.fullmatch(slug)):
        return None
    wanted = Plan.slug == slug if colon else Plan.is_default
    return (await tx.execute(_plans().where(AddonService.slug == service, wanted))).mappings().one_or_none()


async def _public_plans(tx: Tx, condition: ColumnElement[bool]) -> list[PlanView]:
    return await _plans_where(tx, condition & (Plan.state == PlanState.PUBLIC))


async def _plans_where(tx: Tx, condition: ColumnElement[bool]) -> list[PlanView]:
    statement = _plans().where(condition).order_by(Plan.position)
    return [plan_view(row) for row in (await tx.execute(statement)).mappings()]


async def _refusal(tx: Tx, actor: Actor, text: str, offer: Offer | None) -> NotFound | InvalidParams:
    if as_uuid(text):
        return _no_plan(text)
    service = text.partition(":")[0]
    plans = await _plans_where(tx, AddonService.slug == service) if SLUG.fullmatch(service) else []
    reach = await standing(tx, actor, plans[0].service.id) if plans else ANYBODY
    if offer is not None and offer.service.state == SUNSET:
        return InvalidParams(sunset_text(offer.service))
    plans = [plan for plan in plans if plan.installable or reach.may_install(plan)]
    if not plans:
        return await _unknown_service(tx, service)
    # The Heroku command line recognises this very beginning and then lists the plans itself.
    start = f'Couldn\'t find either the add-on service or the add-on plan of "{_quoted(text)}".'
    offered = ", ".join(f"{plan.name} ({plan.price})" for plan in plans)
    beta = "" if plans[0].service.state == GA else f" {service} is {plans[0].service.state}: paid plans come later."
    return InvalidParams(f"{start} The plans of {service} are {offered}.{beta}")


def _no_plan(text: str) -> NotFound:
    return NotFound("plan", f'Couldn\'t find the plan "{_quoted(text)}".')


_SIMILAR: Final = Direct(
    select(SearchEntry.slug)
    .where(SearchEntry.is_listed.is_(True))
    .where(
        func.ts_filter(SearchEntry.document, literal_column(NAME)).op("@@")(
            cast(bindparam("beginnings", type_=Text), TSQUERY)
        )
    )
    .order_by(SearchEntry.installs.desc(), SearchEntry.slug)
    .limit(_MOST_SIMILAR)
)
"""What has a word that begins alike: comparing all slugs of a large marketplace would hold everybody else up."""


async def _unknown_service(tx: Tx, text: str) -> NotFound:
    wanted = text[:_LONGEST_QUOTED].lower()
    beginnings = " | ".join(f"'{word[:_ALIKE]}':*" for word in words(wanted, _MOST_WORDS))
    similar = [row[0] for row in await _SIMILAR.all(tx, beginnings=beginnings)] if beginnings else []
    close = get_close_matches(wanted, similar, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(close)}?" if close else " See the list of add-on services for what there is."
    return NotFound("add_on_service", f'Couldn\'t find the add-on service "{_quoted(text)}".{hint}')


def _quoted(text: str) -> str:
    """The user's text, fit for a message."""
    shown = "".join(char if char.isprintable() else "?" for char in text[:_LONGEST_QUOTED])
    return shown if len(text) <= _LONGEST_QUOTED else f"{shown}…"
