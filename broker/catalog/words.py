"""Words as search compares them: without case and accents, and how near a mistyped one comes to another. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from math import inf
from typing import Final

LONGEST_WORD: Final = 40
_WORD: Final = re.compile(r"[^\W_]+")
_SHORTEST_COMPARED: Final = 3


def folded(text: str) -> str:
    """The text without what two spellings of a word may differ in: case, accents, widths of characters."""
    spread = unicodedata.normalize("NFKD", text).casefold()
    return unicodedata.normalize("NFC", "".join(char for char in spread if not unicodedata.combining(char)))


def words(text: str, most: int) -> list[str]:
    """The first words of a text, folded; a very long one is cut."""
    found = (match.group()[:LONGEST_WORD] for match in _WORD.finditer(folded(text)))
    return [word for word, _ in zip(found, range(most), strict=False)]


def trigrams(word: str) -> frozenset[str]:
    """Every three letters in a row, with a blank before and after the word."""
    padded = f" {word} "
    return frozenset(padded[place : place + 3] for place in range(len(padded) - 2))


def comparable(found: Iterable[str]) -> list[str]:
    """Those that a mistyped word may have been meant for, each once: not numbers, nothing very short."""
    return [word for word in dict.fromkeys(found) if len(word) >= _SHORTEST_COMPARED and not word.isdigit()]


def tolerance(word: str) -> int:
    """How many typing errors a word of this length is forgiven."""
    return 0 if len(word) < _SHORTEST_COMPARED else 1 if len(word) < 6 else 2


def typos(typed: str, meant: str, most: float = inf) -> float:
    """How many errors lead from the meant word to the typed one: letters left out, added, wrong, or two swapped.

    A half more when only the beginning of the word is meant: it is typed to the end more often than not. If there are
    more than `most`, it does not matter how many more.
    Source: the restricted edit distance of Damerau and Levenshtein.
    """
    before: list[int] = []
    row = list(range(len(meant) + 1))
    for place, char in enumerate(typed, 1):
        older, before, row = before, row, [place]
        for other, letter in enumerate(meant, 1):
            cost = min(before[other] + 1, row[other - 1] + 1, before[other - 1] + (char != letter))
            swapped = place > 1 and other > 1 and char == meant[other - 2] and typed[place - 2] == letter
            row.append(min(cost, older[other - 2] + 1) if swapped else cost)
        if min(row) > most < min(before):
            break
    return min(row[-1], min(row) + 0.5)
