"""One page of what answers a question to the marketplace: which entries, in which order. Ranks a bounded number of them.

Every shape of question is one statement, built once. What they cost, and why they look so: docs/performance.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    union,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.dialects.postgresql import UUID as PgUuid

from broker.catalog.access import listed_for_all
from broker.catalog.models import AddonService
from broker.catalog.search_models import HEADING, NAME, SearchEntry
from broker.kernel.db import Tx
from broker.kernel.direct import Direct

PAGE: Final = 24
LAST_PAGE: Final = 200
MOST_RANKED: Final = 10 * PAGE
"""So many of what answers words are shown: nobody reads on, and the work would grow with the marketplace."""
_SHAPES: Final = 256
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
class Question:
    """What is matched, and what a match is ranked by: queries in PostgreSQL's notation, and the slug that is spelled."""

    matching: str
    ranking: str
    slug: str


@dataclass(frozen=True, slots=True)
class Answers:
    """One page, and how many there are. With `more` it is only known that there are more than these."""

    hits: tuple[Hit, ...]
    total: int
    more: bool


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

_HITS: Final = Direct(
    select(*_HIT_COLUMNS)
    .join(SearchEntry, SearchEntry.service_id == AddonService.id)
    .where(
        AddonService.id == func.any(bindparam("services", type_=ARRAY(PgUuid(as_uuid=True)), required=False)),
        listed_for_all(),
    )
)

_Shape = tuple[bool, frozenset[str], Order]
"""Whether words are asked for, what is chosen, and the order."""


async def answers(tx: Tx, wanted: Wanted, question: Question | None) -> Answers:
    """The page that is wanted of what fits the choices and answers the question, if there is one."""
    chosen = _chosen(wanted)
    shape = (question is not None, frozenset(chosen), wanted.order)
    most = LAST_PAGE * PAGE if question is None else MOST_RANKED
    before = min(max(wanted.page, 1) - 1, LAST_PAGE) * PAGE
    place = {"before": before, "room": max(0, min(PAGE, most - before))}
    words = {} if question is None else {name: getattr(question, name) for name in Question.__dataclass_fields__}
    rows = await _statement(shape).all(tx, **chosen, **words, **place)
    total = rows[0]["number"]
    hits = tuple(_hit(row) for row in rows if row["slug"] is not None)
    return Answers(hits, total if question is None else min(total, most), question is not None and total > most)


async def hits_by_id(tx: Tx, services: Sequence[UUID]) -> dict[UUID, Hit]:
    """These services, without those that are not listed (any more)."""
    return {row["id"]: _hit(row) for row in await _HITS.all(tx, services=list(services))}


def _hit(row: Any) -> Hit:
    lists = {"categories": tuple(row["categories"]), "features": tuple(row["features"])}
    return Hit(**{**{name: row[name] for name in Hit.__dataclass_fields__}, **lists})


def _chosen(wanted: Wanted) -> dict[str, Any]:
    """What narrows the answers, by the names in `_CHOICES`."""
    values = {
        "category": wanted.category and [wanted.category],
        "free": wanted.free or None,
        "region": wanted.region and [wanted.region, "*"],
        "features": list(wanted.features) or None,
        "most_minor": wanted.most_minor,
    }
    return {name: value for name, value in values.items() if value is not None}


def _given(name: str, kind: Any) -> Any:
    return bindparam(name, type_=kind, required=False)  # what is required can't stand beside a list of constants


_TEXTS: Final = ARRAY(Text)


_CHOICES: Final[dict[str, ColumnElement[bool]]] = {
    "category": SearchEntry.categories.contains(_given("category", _TEXTS)),
    "free": SearchEntry.has_free.is_(True),
    "region": SearchEntry.regions.overlap(_given("region", _TEXTS)),
    "features": SearchEntry.features.contains(_given("features", _TEXTS)),
    "most_minor": or_(
        SearchEntry.has_free,
        and_(SearchEntry.currency == _COUNTED_CURRENCY, SearchEntry.lowest_minor <= _given("most_minor", Integer)),
    ),
}
_QUERY: Final[ColumnElement[Any]] = cast(_given("matching", Text), TSQUERY)
_SAID: Final = SearchEntry.document
_IN_HEADING: Final[ColumnElement[Any]] = func.ts_filter(SearchEntry.document, literal_column(HEADING))
_IN_NAME: Final[ColumnElement[Any]] = func.ts_filter(SearchEntry.document, literal_column(NAME))
_NAMED: Final[ColumnElement[Any]] = case(
    (SearchEntry.slug == _given("slug", Text), 3.0),
    (func.starts_with(SearchEntry.slug, _given("slug", Text)), 1.0),
    else_=0.0,
)
_POPULAR: Final = (SearchEntry.installs.desc(), SearchEntry.slug)
_SCORE: Final[ColumnElement[Any]] = (
    func.ts_rank(_WEIGHTS, SearchEntry.heading, cast(_given("ranking", Text), TSQUERY))
    + _NAMED
    + func.ln(1 + SearchEntry.installs) * 0.02
)
"""How well a service fits: whole words twice as much as beginnings, its very name most, what many have a little."""


@lru_cache(_SHAPES)
def _statement(shape: _Shape) -> Direct:
    """Entries are found and sorted by themselves; only those of the page are read whole, and asked whether they are listed."""
    asked, chosen, order = shape
    fitting: list[ColumnElement[bool]] = [SearchEntry.is_listed.is_(True), *(_CHOICES[name] for name in sorted(chosen))]
    answering = [*fitting, _matches(_SAID)] if asked else fitting
    sorting = _sorting(order, _SCORE if asked else literal(0))
    found = select(SearchEntry.service_id)
    if asked and order is Order.BEST:
        candidates = _candidates(fitting)
        found = found.join(candidates, candidates.c.service_id == SearchEntry.service_id)
    else:
        found = found.where(*answering)
    room, before = _given("room", Integer), _given("before", Integer)
    best = _numbered(found.order_by(*sorting).limit(room).offset(before))
    shown = _shown(best)
    counted = select(literal(1).label("one")).where(*answering)
    number = select(func.count().label("number")).select_from(_counted(counted, bounded=asked)).subquery()
    return Direct(
        select(number.c.number, *shown.c).select_from(number.outerjoin(shown, true())).order_by(shown.c.place)
    )


def _numbered(found: Select[Any]) -> FromClause:
    """The same with their places. A window function would have everything sorted, not just the page."""
    rows = func.unnest(func.array(found.scalar_subquery())).table_valued("service_id", with_ordinality="place")
    return rows.render_derived(name="best")


def _candidates(fitting: Sequence[ColumnElement[bool]]) -> FromClause:
    """What may come to stand on a page: those with the words in their names, else in what they are, else anywhere.

    Of each kind the most popular; a wider one is looked at only as long as the narrower ones do not fill the pages.
    """
    named = _most_popular(_IN_NAME, fitting, literal(MOST_RANKED), _NAMED.desc()).cte("named")
    headed = _most_popular(_IN_HEADING, fitting, _left(named)).cte("headed")
    told = _most_popular(_SAID, fitting, _left(named, headed)).cte("told")
    return union(*(select(kind.c.service_id) for kind in (named, headed, told))).subquery("candidates")


def _most_popular(
    place: Any, fitting: Sequence[ColumnElement[bool]], room: ColumnElement[int], *first: ColumnElement[Any]
) -> Select[Any]:
    return select(SearchEntry.service_id).where(*fitting, _matches(place)).order_by(*first, *_POPULAR).limit(room)


def _left(*narrower: FromClause) -> ColumnElement[int]:
    full = [select(func.count()).select_from(kind).scalar_subquery() >= MOST_RANKED for kind in narrower]
    return case((or_(*full), 0), else_=MOST_RANKED)


def _matches(place: Any) -> Any:
    return place.op("@@")(_QUERY)


def _counted(answering: Select[Any], *, bounded: bool) -> FromClause:
    return (answering.limit(MOST_RANKED + 1) if bounded else answering).subquery("answering")


def _shown(best: FromClause) -> FromClause:
    joined = select(best.c.place, *_HIT_COLUMNS).join(AddonService, AddonService.id == best.c.service_id)
    return (
        joined.join(SearchEntry, SearchEntry.service_id == best.c.service_id).where(listed_for_all()).subquery("shown")
    )


def _sorting(order: Order, score: ColumnElement[Any]) -> Sequence[Any]:
    """Always down to the slug, so that pages do not overlap."""
    first: dict[Order, Sequence[Any]] = {
        Order.BEST: (score.desc(),),
        Order.POPULAR: (),
        Order.NEW: (SearchEntry.service_id.desc(),),  # ids grow with time
        Order.PRICE: (SearchEntry.has_free.desc(), SearchEntry.currency, SearchEntry.lowest_minor),
        Order.NAME: (func.lower(SearchEntry.name),),
    }
    return (*first[order], *(_POPULAR if order in (Order.BEST, Order.POPULAR) else _POPULAR[1:]))
