"""Making the entries that search reads: with every new version of a manifest, and again by the worker where one is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Text, cast, column, func, literal, literal_column, or_, select, update
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.dialects.postgresql import insert as upsert

from broker.catalog.categories import CATEGORIES, shelves
from broker.catalog.models import AddonService
from broker.catalog.queries import all_plans, get_service
from broker.catalog.search_models import SearchEntry, SearchTrigram, ServiceLogo
from broker.catalog.views import INSTALLABLE_STATES, PlanView, ServiceView
from broker.catalog.words import comparable, trigrams, words
from broker.kernel.context import Context
from broker.kernel.db import Tx

FEATURES: Final = {
    "shareable": "Shareable across apps",
    "many": "Multiple installs per app",
    "rotation": "Rotates credentials",
    "logins": "A login per app",
    "fork": "Copies of your data",
}
"""What an add-on can do that people look for, by the word in addresses."""
_MOST_WORDS: Final = {"A": 12, "B": 60, "C": 120, "D": 160}
"""How many words of each weight count: enough to be found by, few enough to be ranked fast."""
_AT_ONCE: Final = 50
_ENGLISH: Final[ColumnElement[Any]] = literal_column("'english_stem'::regdictionary")

Stems = Mapping[str, Sequence[str]]


async def index_service(tx: Tx, service_id: UUID) -> None:
    """Make the entry of a service say what its newest manifest says."""
    service, plans = await get_service(tx, service_id), await all_plans(tx, service_id)
    texts = _texts(service, [plan for plan in plans if plan.visible])
    found = {weight: words(text, _MOST_WORDS[weight]) for weight, text in texts.items()}
    stems = await stems_of(tx, {word for group in found.values() for word in group})
    logo = (await tx.execute(select(ServiceLogo.digest).where(ServiceLogo.service_id == service_id))).scalar()
    values = _values(service, plans) | {
        "document": cast(literal(lexemes_of(found, stems)), TSVECTOR),
        "heading": cast(literal(_heading(found, stems)), TSVECTOR),
        "logo": logo,
    }
    entry = upsert(SearchEntry).values(service_id=service_id, **values)
    await tx.execute(entry.on_conflict_do_update(index_elements=[SearchEntry.service_id], set_=values))
    await _learn(tx, comparable(word for weight in "ABC" for word in found[weight]))


async def index_stale(ctx: Context) -> int:
    """Make entries that are missing or of an older manifest, some at a time; how many there were."""
    stale = (
        select(AddonService.id)
        .outerjoin(SearchEntry, SearchEntry.service_id == AddonService.id)
        .where(
            or_(
                SearchEntry.revision.is_distinct_from(AddonService.revision),
                SearchEntry.is_listed != AddonService.state.in_(INSTALLABLE_STATES),
            )
        )
        .limit(_AT_ONCE)
    )
    async with ctx.database.transaction() as tx:
        services = list((await tx.execute(stale)).scalars())
        for service_id in services:
            await index_service(tx, service_id)
    return len(services)


async def state_changed(tx: Tx, service_id: UUID, state: str) -> None:
    """Let the entry of a service follow it into its new state."""
    listed = state in INSTALLABLE_STATES
    await tx.execute(update(SearchEntry).where(SearchEntry.service_id == service_id).values(is_listed=listed))


async def set_installs(tx: Tx, counts: Mapping[UUID, int]) -> None:
    """How many apps have each service; those that are not named have none."""
    known = {
        row.service_id: row.installs for row in await tx.execute(select(SearchEntry.service_id, SearchEntry.installs))
    }
    for service_id, before in known.items():
        if (now := counts.get(service_id, 0)) != before:
            await tx.execute(update(SearchEntry).where(SearchEntry.service_id == service_id).values(installs=now))


async def stems_of(tx: Tx, found: Iterable[str]) -> Stems:
    """What English makes of each word: its stem, or nothing of a word that says nothing."""
    asked = func.unnest(cast(sorted(found), ARRAY(Text))).column_valued("word")
    lexemes = func.ts_lexize(_ENGLISH, column("word"), type_=ARRAY(Text))
    return {row[0]: row[1] for row in await tx.execute(select(asked, lexemes))}


def features_of(service: ServiceView) -> list[str]:
    """Which of `FEATURES` a service has."""
    has = {
        "shareable": service.supports_sharing,
        "many": service.supports_multiple_installations,
        "rotation": "rotate" in service.capabilities,
        "logins": "attachment_credentials" in service.capabilities,
        "fork": "fork" in service.capabilities,
    }
    return [feature for feature in FEATURES if has[feature]]


def _texts(service: ServiceView, plans: Sequence[PlanView]) -> dict[str, str]:
    """What counts how much: A for the name, then what it is, then what it has, then what is told of it."""
    listing = service.listing
    kinds = [CATEGORIES[slug].name for slug in shelves(listing.categories, listing.category)]
    labels = [label for plan in plans for label in plan.features]
    return {
        "A": f"{service.slug} {service.name}",
        "B": " ".join([listing.tagline or "", *listing.tags, *kinds, listing.category or ""]),
        "C": " ".join([*service.config_vars, *(plan.human_name for plan in plans), *labels]),
        "D": listing.description or "",
    }


def _values(service: ServiceView, plans: Sequence[PlanView]) -> dict[str, Any]:
    public = [plan for plan in plans if plan.visible]
    cheapest = min(public, key=lambda plan: (plan.price_cents, plan.metered), default=None)
    return {
        "revision": service.revision,
        "is_listed": service.state in INSTALLABLE_STATES,
        "slug": service.slug,
        "name": service.name,
        "tagline": service.listing.tagline or "",
        "categories": list(shelves(service.listing.categories, service.listing.category)),
        "features": features_of(service),
        "regions": list(service.regions),
        "has_free": any(plan.is_free for plan in public),
        "lowest_minor": cheapest and cheapest.price_cents,
        "currency": cheapest and cheapest.currency,
    }


def _heading(found: Mapping[str, Sequence[str]], stems: Stems) -> str:
    return lexemes_of({weight: found[weight] for weight in "ABC"}, stems, stems_alone=True)


def lexemes_of(found: Mapping[str, Sequence[str]], stems: Stems, *, stems_alone: bool = False) -> str:
    """The words with weight and place, in PostgreSQL's own notation. Words hold letters and digits only.

    With `stems_alone` each counts once, however it is inflected; else it is found by its whole beginning, too.
    """
    parts, place = [], 0
    for weight, group in found.items():
        for word in group:
            place += 1
            roots = stems.get(word) or (word,)
            parts += [f"'{form}':{place}{weight}" for form in (roots if stems_alone else dict.fromkeys((word, *roots)))]
    return " ".join(parts)


async def _learn(tx: Tx, found: Sequence[str]) -> None:
    rows = [{"trigram": trigram, "word": word} for word in found for trigram in sorted(trigrams(word))]
    if rows:
        await tx.execute(upsert(SearchTrigram).values(rows).on_conflict_do_nothing())
