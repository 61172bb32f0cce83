"""Making the entries that search reads: with every new version of a manifest, and again by the worker where one is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Text,
    bindparam,
    cast,
    column,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.dialects.postgresql import insert as upsert

from broker.catalog.categories import CATEGORIES, shelves
from broker.catalog.models import AddonService
from broker.catalog.queries import services_with_plans
from broker.catalog.search_models import SearchEntry, SearchTrigram, ServiceLogo
from broker.catalog.views import INSTALLABLE_STATES, PlanView, ServiceView
from broker.catalog.words import comparable, trigrams, words
from broker.kernel.context import Context
from broker.kernel.db import Tx
from broker.kernel.direct import Direct, filled, placeholders

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
_AT_ONCE: Final = 100
_ENGLISH: Final[ColumnElement[Any]] = literal_column("'english_stem'::regdictionary")

_STEMS: Final = Direct(
    select(
        func.unnest(bindparam("words", type_=ARRAY(Text))).column_valued("word"),
        func.ts_lexize(_ENGLISH, column("word"), type_=ARRAY(Text)).label("stems"),
    )
)

Stems = Mapping[str, Sequence[str]]


async def index_service(tx: Tx, service_id: UUID) -> None:
    """Make the entry of a service say what its newest manifest says."""
    await _index(tx, [service_id])


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
        .order_by(AddonService.id)  # so that two workers wait for each other in line
        .limit(_AT_ONCE)
    )
    async with ctx.database.transaction() as tx:
        services = list((await tx.execute(stale)).scalars())
        if services:
            await _index(tx, services)
    return len(services)


async def _index(tx: Tx, services: Sequence[UUID]) -> None:
    offered = await services_with_plans(tx, services)
    texts = {service.id: _texts(service, [plan for plan in plans if plan.visible]) for service, plans in offered}
    found = {
        service_id: {weight: words(text, _MOST_WORDS[weight]) for weight, text in told.items()}
        for service_id, told in texts.items()
    }
    stems = await stems_of(tx, {word for groups in found.values() for group in groups.values() for word in group})
    logos = select(ServiceLogo.service_id, ServiceLogo.digest).where(ServiceLogo.service_id.in_(services))
    digests = {row.service_id: row.digest for row in await tx.execute(logos)}
    entries = [
        _values(service, plans)
        | {
            "document": lexemes_of(found[service.id], stems),
            "heading": _heading(found[service.id], stems),
            "logo": digests.get(service.id),
        }
        for service, plans in offered
    ]
    await _KEEP.many(tx, [filled(entry) for entry in entries])
    await _learn(tx, comparable(word for groups in found.values() for weight in "ABC" for word in groups[weight]))


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
    return {row["word"]: row["stems"] for row in await _STEMS.all(tx, words=sorted(found))}


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
        "service_id": service.id,
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
    """Let typing errors be compared with these words. In one order, so that two who learn the same wait in line."""
    pairs = sorted((trigram, word) for word in await _unknown(tx, found) for trigram in trigrams(word))
    if pairs:
        taken = [cast([pair[place] for pair in pairs], ARRAY(Text)) for place in (0, 1)]
        rows = select(func.unnest(taken[0]), func.unnest(taken[1]))
        await tx.execute(upsert(SearchTrigram).from_select(["trigram", "word"], rows).on_conflict_do_nothing())


async def _unknown(tx: Tx, found: Sequence[str]) -> Sequence[str]:
    """Those that no listing had before."""
    asked = func.unnest(cast(list(found), ARRAY(Text))).column_valued("asked")
    same = SearchTrigram.trigram == func.concat(" ", func.left(asked, 2)), SearchTrigram.word == asked
    return list((await tx.execute(select(asked).where(~exists().where(*same)))).scalars())


def _keeping() -> Direct:
    columns = [column.name for column in SearchEntry.__table__.columns if column.name != "installs"]
    values: dict[str, Any] = {**placeholders(" ".join(columns))}
    for name in ("document", "heading"):
        values[name] = cast(bindparam(f"new_{name}", type_=Text), TSVECTOR)
    entry = upsert(SearchEntry).values(values)
    changed = {name: entry.excluded[name] for name in columns if name != "service_id"}
    return Direct(entry.on_conflict_do_update(index_elements=[SearchEntry.service_id], set_=changed))


_KEEP: Final = _keeping()
"""An entry made anew. How many have the service is counted elsewhere."""
