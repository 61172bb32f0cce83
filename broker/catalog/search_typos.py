"""What a mistyped word was probably meant to be: words of listings that come near it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ARRAY, Integer, Text, bindparam, cast, column, func, literal_column, select
from sqlalchemy.dialects.postgresql import TSQUERY

from broker.catalog.search_models import SearchEntry, SearchTrigram
from broker.catalog.words import comparable, tolerance, trigrams, typos
from broker.kernel.db import Tx
from broker.kernel.direct import Direct

_MOST_CANDIDATES: Final = 60
_MOST_LIKELY: Final = 12
_MOST_MEANT: Final = 4


async def corrections(tx: Tx, queries: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """For each word that nothing listed has, the words of listings that it was probably meant to be.

    Each is given with the query that finds it.
    """
    known = await _known(tx, queries)
    corrected = {}
    for word in comparable(queries):
        if word not in known and (meant := await _meant(tx, word)):
            corrected[word] = meant
    return corrected


async def _meant(tx: Tx, word: str) -> tuple[str, ...]:
    """The nearest of those that something listed has: as near as each other, and not one that nobody can see yet."""
    parts = sorted(trigrams(word))
    rows = await _ALIKE.all(tx, parts=parts, shortest=len(word) - 2, length=len(parts), most=_MOST_CANDIDATES)
    most = tolerance(word)
    errors = {row["word"]: typos(word, row["word"], most) for row in rows}
    near = sorted((count, candidate) for candidate, count in errors.items() if count <= most)[:_MOST_LIKELY]
    there = await _known(tx, {candidate: f"'{candidate}'" for _, candidate in near})
    listed = [(count, candidate) for count, candidate in near if candidate in there]
    return tuple(candidate for count, candidate in listed if count == listed[0][0])[:_MOST_MEANT]


async def _known(tx: Tx, queries: Mapping[str, str]) -> frozenset[str]:
    """Which of these something listed answers."""
    if not queries:
        return frozenset()
    rows = await _KNOWN.all(tx, words=list(queries), queries=list(queries.values()))
    return frozenset(row["word"] for row in rows)


def _alike() -> Direct:
    """Words that share three letters in a row with one, those that share most of theirs first."""
    shared, length = func.count(), bindparam("length", type_=Integer)
    likeness = shared * 1.0 / (length + func.length(SearchTrigram.word) - shared)
    like = select(SearchTrigram.word).where(
        SearchTrigram.trigram == func.any(bindparam("parts", type_=ARRAY(Text))),
        func.length(SearchTrigram.word) >= bindparam("shortest", type_=Integer),
    )
    most = bindparam("most", type_=Integer)
    return Direct(like.group_by(SearchTrigram.word).order_by(likeness.desc(), SearchTrigram.word).limit(most))


def _known_ones() -> Direct:
    given: list[Any] = [bindparam(name, type_=ARRAY(Text)) for name in ("words", "queries")]
    asked = func.unnest(*given).table_valued(column("word", Text), column("query", Text)).render_derived(name="asked")
    # An aggregate, because a mere `exists` may be answered by reading one document after the other.
    answered = select(func.bool_or(SearchEntry.is_listed)).where(
        SearchEntry.document.op("@@")(cast(literal_column("asked.query"), TSQUERY))
    )
    return Direct(select(asked.c.word).where(answered.scalar_subquery()))


_ALIKE: Final = _alike()
_KNOWN: Final = _known_ones()
