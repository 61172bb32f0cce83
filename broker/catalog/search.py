"""Finding services in the marketplace by what people type and choose: ranked, by beginnings of words, forgiving errors.

Only what is listed for everybody is found, and nothing else is betrayed by what a mistyped word is corrected to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Text,
    and_,
    case,
    cast,
    column,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import TSQUERY

from broker.catalog.access import listed_for_all
from broker.catalog.models import AddonService
from broker.catalog.search_index import Stems, stems_of
from broker.catalog.search_models import SearchEntry, SearchTrigram
from broker.catalog.words import comparable, tolerance, trigrams, typos, words
from broker.kernel.context import Context
from broker.kernel.db import Tx

LONGEST_QUERY: Final = 100
PAGE: Final = 24
LAST_PAGE: Final = 200
_MOST_WORDS: Final = 8
_MOST_CANDIDATES: Final = 60
_MOST_MEANT: Final = 4
_COUNTED_CURRENCY: Final = "usd"
_WEIGHTS: Final[ColumnElement[Any]] = literal_column("'{0.05, 0.2, 0.5, 1.0}'::real[]")
"""Of D, C, B and A: what is told of a service counts a twentieth of its name."""


class Order(StrEnum):
    """How results are sorted."""

    BEST = "best"
    POPULAR = "popular"
    NEW = "new"
    PRICE = "price"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for. Units: `most_minor` in cents of US dollars a month; prices in others are not compared."""

    text: str = ""
    category: str | None = None
    free: bool = False
    region: str | None = None
    features: tuple[str, ...] = ()
    most_minor: int | None = None
    order: Order = Order.BEST
    page: int = 1


@dataclass(frozen=True, slots=True)
class Hit:
    """A service as a list shows it."""

    slug: str
    name: str
    state: str
    tagline: str
    categories: tuple[str, ...]
    features: tuple[str, ...]
    has_free: bool
    lowest_minor: int | None
    currency: str | None
    logo: str | None
    installs: int


@dataclass(frozen=True, slots=True)
class Found:
    """A page of what was found."""

    hits: tuple[Hit, ...]
    total: int
    corrected: Mapping[str, tuple[str, ...]]
    """Words that no listing has, each with those it was taken for."""
    loosened: bool = False
    """Nothing has all of the words; this is what has some."""


_HIT_COLUMNS: Final = (
    AddonService.id,
    AddonService.slug,
    AddonService.name,
    AddonService.state,
    SearchEntry.tagline,
    SearchEntry.categories,
    SearchEntry.features,
    SearchEntry.has_free,
    SearchEntry.lowest_minor,
    SearchEntry.currency,
    SearchEntry.logo,
    SearchEntry.installs,
)


async def find(ctx: Context, wanted: Wanted) -> Found:
    """What fits best, first. Whatever is typed is answered, if only by nothing."""
    typed = words(wanted.text[:LONGEST_QUERY], _MOST_WORDS)
    async with ctx.database.transaction() as tx:
        if not typed:
            return await _nothing_typed(tx, wanted)
        stems = await stems_of(tx, typed)
        telling = [word for word in typed if stems[word] != []] or typed
        groups, typed_roots = {word: _forms(word, stems) for word in telling}, _roots(telling, stems)
        found = await _page(tx, wanted, _all_of(groups), typed_roots)
        if found.total:
            return found
        corrected = await _corrections(tx, groups)
        if corrected:
            meant = groups | {word: [*map(_beginning, told)] for word, told in corrected.items()}
            told = [word for words_ in corrected.values() for word in words_]
            typed_roots |= _roots(told, await stems_of(tx, told))
            found = await _page(tx, wanted, _all_of(meant), typed_roots)
            if found.total:
                return replace(found, corrected=corrected)
            groups = meant
        loose = await _page(tx, wanted, _any_of(groups), typed_roots) if len(groups) > 1 else found
        return replace(loose, corrected=corrected, loosened=loose.total > 0)


async def hits_of(tx: Tx, services: Sequence[UUID]) -> tuple[Hit, ...]:
    """These services, in this order, without those that are not listed (any more)."""
    joined = select(*_HIT_COLUMNS).join(SearchEntry, SearchEntry.service_id == AddonService.id)
    rows = (await tx.execute(joined.where(AddonService.id.in_(services), listed_for_all()))).mappings()
    hits = {row["id"]: _hit(row) for row in rows}
    return tuple(hits[service] for service in services if service in hits)


def _hit(row: Any) -> Hit:
    lists = {"categories": tuple(row["categories"]), "features": tuple(row["features"])}
    return Hit(**{**{name: row[name] for name in Hit.__dataclass_fields__}, **lists})


async def _nothing_typed(tx: Tx, wanted: Wanted) -> Found:
    if wanted.text.strip():
        return Found((), 0, {})  # signs that are in no word
    return await _page(tx, wanted, None, {})


async def _page(tx: Tx, wanted: Wanted, query: str | None, typed: Mapping[str, Sequence[str]]) -> Found:
    """A page of what answers the query. Thousands may be ranked, by their entries alone; only what is shown is read whole."""
    ranked = select(SearchEntry.service_id, func.count().over().label("total")).where(*_conditions(wanted))
    score: ColumnElement[Any] = literal(0)
    if query is not None:
        ranked = ranked.where(SearchEntry.document.op("@@")(cast(literal(query), TSQUERY)))
        score = _score(typed)
    page = min(max(wanted.page, 1), LAST_PAGE)
    best = ranked.order_by(*_order(wanted.order, score)).limit(PAGE).offset((page - 1) * PAGE)
    places = {row.service_id: row.total for row in await tx.execute(best)}
    if not places:
        return Found((), 0, {})
    return Found(await hits_of(tx, list(places)), next(iter(places.values())), {})


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [SearchEntry.is_listed.is_(True)]
    if wanted.category is not None:
        conditions.append(SearchEntry.categories.contains([wanted.category]))
    if wanted.free:
        conditions.append(SearchEntry.has_free.is_(True))
    if wanted.region is not None:
        conditions.append(SearchEntry.regions.overlap([wanted.region, "*"]))
    if wanted.features:
        conditions.append(SearchEntry.features.contains(list(wanted.features)))
    if wanted.most_minor is not None:
        priced = and_(SearchEntry.currency == _COUNTED_CURRENCY, SearchEntry.lowest_minor <= wanted.most_minor)
        conditions.append(or_(SearchEntry.has_free, priced))
    return conditions


def _score(typed: Mapping[str, Sequence[str]]) -> ColumnElement[Any]:
    """How well a service fits: whole words twice as much as beginnings, its very name most, what many have a little."""
    slug = "-".join(typed)
    forms = " | ".join(
        form for word, roots in typed.items() for form in (*(f"'{root}'" for root in roots), _beginning(word))
    )
    named = case((SearchEntry.slug == slug, 3.0), (SearchEntry.slug.startswith(slug, autoescape=True), 1.0), else_=0.0)
    rank = func.ts_rank(_WEIGHTS, SearchEntry.heading, cast(literal(forms), TSQUERY))
    return rank + named + func.ln(1 + SearchEntry.installs) * 0.02


def _order(order: Order, score: ColumnElement[Any]) -> Sequence[Any]:
    """Always down to the slug, so that pages do not overlap."""
    popular = (SearchEntry.installs.desc(),)
    first: dict[Order, Sequence[Any]] = {
        Order.BEST: (score.desc(), *popular),
        Order.POPULAR: popular,
        Order.NEW: (SearchEntry.service_id.desc(),),  # ids grow with time
        Order.PRICE: (SearchEntry.has_free.desc(), SearchEntry.currency, SearchEntry.lowest_minor),
        Order.NAME: (func.lower(SearchEntry.name),),
    }
    return (*first[order], SearchEntry.slug)


def _roots(typed: Sequence[str], stems: Stems) -> dict[str, Sequence[str]]:
    return {word: stems[word] or (word,) for word in typed}


def _forms(word: str, stems: Stems) -> list[str]:
    return [_beginning(word), *(f"'{stem}'" for stem in stems[word] or () if stem != word)]


def _beginning(word: str) -> str:
    return f"'{word}':*"


def _all_of(groups: Mapping[str, Sequence[str]]) -> str:
    return " & ".join(f"({' | '.join(forms)})" for forms in groups.values())


def _any_of(groups: Mapping[str, Sequence[str]]) -> str:
    return " | ".join(form for forms in groups.values() for form in forms)


async def _corrections(tx: Tx, groups: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """For each word that nothing listed has, the words of listings that it was probably meant to be."""
    known = await _known(tx, {word: f"({' | '.join(forms)})" for word, forms in groups.items()})
    corrected = {}
    for word in comparable(groups):
        if word not in known and (meant := await _meant(tx, word)):
            corrected[word] = meant
    return corrected


async def _meant(tx: Tx, word: str) -> tuple[str, ...]:
    parts = trigrams(word)
    shared = func.count()
    like = (
        select(SearchTrigram.word)
        .where(SearchTrigram.trigram.in_(parts), func.length(SearchTrigram.word) >= len(word) - 2)
        .group_by(SearchTrigram.word)
        .order_by((shared * 1.0 / (len(parts) + func.length(SearchTrigram.word) - shared)).desc(), SearchTrigram.word)
        .limit(_MOST_CANDIDATES)
    )
    errors = {candidate: typos(word, candidate) for candidate in (await tx.execute(like)).scalars()}
    near = sorted((count, candidate) for candidate, count in errors.items() if count <= tolerance(word))
    there = await _known(tx, {candidate: f"'{candidate}'" for _, candidate in near})
    listed = [(count, candidate) for count, candidate in near if candidate in there]
    return tuple(candidate for count, candidate in listed if count == listed[0][0])[:_MOST_MEANT]


async def _known(tx: Tx, queries: Mapping[str, str]) -> frozenset[str]:
    """Which of these something listed answers."""
    if not queries:
        return frozenset()
    pairs = func.unnest(cast(list(queries), ARRAY(Text)), cast(list(queries.values()), ARRAY(Text)))
    asked = pairs.table_valued(column("word", Text), column("query", Text)).render_derived()
    matching = (
        exists()
        .where(SearchEntry.document.op("@@")(cast(asked.c.query, TSQUERY)))
        .where(SearchEntry.is_listed.is_(True))
    )
    return frozenset((await tx.execute(select(asked.c.word).where(matching))).scalars())
