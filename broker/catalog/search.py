"""Finding services in the marketplace by what people type and choose: ranked, by beginnings of words, forgiving errors.

Only what is listed for everybody is found, and nothing else is betrayed by what a mistyped word is corrected to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import func, select

from broker.catalog.search_index import Stems, stems_of
from broker.catalog.search_page import PAGE, Hit, Order, Question, Wanted, answers
from broker.catalog.search_typos import corrections
from broker.catalog.words import words
from broker.kernel.context import Context
from broker.kernel.db import Tx
from broker.kernel.direct import Direct

__all__ = ["LONGEST_QUERY", "PAGE", "Found", "Hit", "Order", "Wanted", "find"]

LONGEST_QUERY: Final = 100
_MOST_WORDS: Final = 8
_BY_INDEX: Final = Direct(select(func.set_config("enable_seqscan", "off", True)))
"""For a word that most listings have, PostgreSQL would read all documents: it takes looking into one for cheap."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of what was found."""

    hits: tuple[Hit, ...]
    total: int
    corrected: Mapping[str, tuple[str, ...]]
    """Words that no listing has, each with those it was taken for."""
    loosened: bool = False
    """Nothing has all of the words; this is what has some."""
    more: bool = False
    """There are more than `total`; the best of them are shown."""


async def find(ctx: Context, wanted: Wanted) -> Found:
    """What fits best, first. Whatever is typed is answered, if only by nothing."""
    typed = words(wanted.text[:LONGEST_QUERY], _MOST_WORDS)
    async with ctx.database.transaction() as tx:
        if not typed:
            return await _nothing_typed(tx, wanted)
        await _BY_INDEX.first(tx)
        stems = await stems_of(tx, typed)
        telling = [word for word in typed if stems[word] != []] or typed
        slug = "-".join(telling)
        groups, typed_roots = {word: _forms(word, stems) for word in telling}, _roots(telling, stems)
        found = await _page(tx, wanted, _all_of(groups), typed_roots, slug)
        if found.total:
            return found
        corrected = await corrections(tx, {word: f"({' | '.join(forms)})" for word, forms in groups.items()})
        if corrected:
            told = [word for meant in corrected.values() for word in meant]
            roots = _roots(told, await stems_of(tx, told))
            groups |= {word: [*map(_beginning, meant)] for word, meant in corrected.items()}
            typed_roots = {word: typed_roots[word] for word in telling if word not in corrected} | roots
            slug = "-".join(corrected.get(word, (word,))[0] for word in telling)
            found = await _page(tx, wanted, _all_of(groups), typed_roots, slug)
            if found.total:
                return replace(found, corrected=corrected)
        loose = await _page(tx, wanted, _any_of(groups), typed_roots, slug) if len(groups) > 1 else found
        return replace(loose, corrected=corrected, loosened=loose.total > 0)


async def _nothing_typed(tx: Tx, wanted: Wanted) -> Found:
    if wanted.text.strip():
        return Found((), 0, {})  # signs that are in no word
    found = await answers(tx, wanted, None)
    return Found(found.hits, found.total, {})


async def _page(tx: Tx, wanted: Wanted, query: str, typed: Mapping[str, Sequence[str]], slug: str) -> Found:
    forms = [form for word, roots in typed.items() for form in (*(f"'{root}'" for root in roots), _beginning(word))]
    found = await answers(tx, wanted, Question(query, " | ".join(forms), slug))
    return Found(found.hits, found.total, {}, more=found.more)


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
