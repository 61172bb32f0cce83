"""How a wrong provider is put on record, with the sentences of the kit that must say so, and no others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from broker.testkit.probe import Limits
from tests.testkit.shelf import Shelf
from tests.testkit.trying import LIMITS


class Broken(Exception):
    """Any error of a program, which its framework answers with 500."""


@dataclass(frozen=True)
class Mutant:
    """How to make the provider, what it offers, what must come of it."""

    make: Callable[[], Shelf]
    breaks: dict[str, str]
    api: dict[str, Any] = field(default_factory=dict)
    limits: Limits = LIMITS


MUTANTS: dict[str, Mutant] = {}


def breaks(
    *failing: str, warning: tuple[str, ...] = (), limits: Limits = LIMITS, later: bool = False, **api: Any
) -> Callable[[type[Shelf]], type[Shelf]]:
    """Register a mutant with the sentences that must fail, or warn."""

    def register(kind: type[Shelf]) -> type[Shelf]:
        expected = dict.fromkeys(failing, "fail") | dict.fromkeys(warning, "warn")
        MUTANTS[kind.__name__] = Mutant(lambda: kind(later=later), expected, api, limits)
        return kind

    return register
