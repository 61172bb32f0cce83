"""Comparing what we believe, what a provider lists, and what is billed. Pure: facts in, drifts out.

Where the facts come from and what is done about a drift: `reconcile.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from broker.addons.models import AddonState, OrphanState, Ownership
from broker.addons.ports import Listed


class DriftKind(StrEnum):
    """What does not agree."""

    UNKNOWN_RESOURCE = "unknown_resource"
    """The provider has it, and we never made it. Never deleted by us."""
    LEFTOVER = "leftover"
    """The provider has it, we had it made, and nobody wants it any more."""
    ORPHAN_REMAINS = "orphan_remains"
    """The same, and the orphan ledger knows."""
    ORPHAN_GONE = "orphan_gone"
    """The orphan ledger waits for what is gone already."""
    MISSING = "missing"
    """An add-on is in use here, and the provider has no such resource."""
    PLAN_DIFFERS = "plan_differs"
    BILLED_NOT_PROVISIONED = "billed_not_provisioned"
    PROVISIONED_NOT_BILLED = "provisioned_not_billed"


UNPAID: Final = frozenset(
    {DriftKind.UNKNOWN_RESOURCE, DriftKind.LEFTOVER, DriftKind.ORPHAN_REMAINS, DriftKind.PROVISIONED_NOT_BILLED}
)
"""Costs somebody money that nobody pays for."""

OVERBILLED: Final = frozenset({DriftKind.MISSING, DriftKind.BILLED_NOT_PROVISIONED})
"""Is paid for and not there."""


@dataclass(frozen=True, slots=True)
class Belief:
    """What we hold to be true of one add-on. Units: cents per month."""

    addon_id: UUID
    name: str
    state: AddonState
    plan: str
    price_cents: int
    currency: str
    provider_id: str | None
    ownership: Ownership
    settled: bool
    """Whether nothing about it was under way while the provider was asked."""
    billed: bool
    orphan_id: UUID | None
    orphan_state: OrphanState | None
    orphan_settled: bool


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that does not agree: in words, in money per month, and what `--fix` would do about it, if anything."""

    kind: DriftKind
    service: str
    explanation: str
    price_cents: int
    currency: str
    fix: str | None = None
    addon_id: UUID | None = None
    addon: str | None = None
    resource_id: str | None = None
    orphan_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """Everything about one service. `listed` is None if the provider was not asked, or gave no list."""

    service: str
    beliefs: Sequence[Belief]
    listed: Sequence[Listed] | None
    prices: Mapping[str, tuple[int, str]]
    """Of the service's plans by name: cents per month and currency."""


def compare(side: Side) -> list[Drift]:
    """Every drift of one service: first what the provider has, then what is billed."""
    drifts = [] if side.listed is None else list(_with_list(side, _Found(side.beliefs, side.listed)))
    return drifts + list(_billing(side))


class _Found:
    """Which entry of the list is which add-on: by the uuid that we gave, else by the id that the provider gave."""

    def __init__(self, beliefs: Iterable[Belief], listed: Sequence[Listed]) -> None:
        by_uuid = {entry.uuid: entry for entry in listed if entry.uuid}
        by_id = {entry.resource_id: entry for entry in listed if not entry.uuid}
        self._entries = {
            belief.addon_id: by_uuid.get(belief.addon_id) or (belief.provider_id and by_id.get(belief.provider_id))
            for belief in beliefs
        }
        self._by_uuid_alone = not by_id
        ours = {id(entry) for entry in self._entries.values() if entry}
        self.unknown = [entry for entry in listed if id(entry) not in ours]

    def entry(self, belief: Belief) -> Listed | None:
        return self._entries[belief.addon_id] or None

    def is_absent(self, belief: Belief) -> bool:
        """Whether it would be in the list if it existed."""
        return self.entry(belief) is None and (self._by_uuid_alone or belief.provider_id is not None)


def _with_list(side: Side, found: _Found) -> Iterator[Drift]:
    for belief in side.beliefs:
        if belief.settled and belief.state is AddonState.PROVISIONED:
            yield from _in_use(side, belief, found)
        if belief.settled and belief.state is AddonState.DEPROVISIONED and (entry := found.entry(belief)):
            yield _left_over(side, belief, entry)
        if belief.orphan_state is OrphanState.OPEN and belief.orphan_settled and found.is_absent(belief):
            why = f"The orphan of {belief.name} is not at the provider any more."
            yield _of(side, belief, DriftKind.ORPHAN_GONE, why, price=0, fix="the orphan is marked as deleted")
    for entry in found.unknown:
        price, currency = _price(side, entry)
        name = str(entry.uuid or entry.resource_id)
        why = f"{side.service} has {name} ({entry.plan or 'no plan'}), which was not made here. Ask the provider about it."
        yield Drift(DriftKind.UNKNOWN_RESOURCE, side.service, why, price, currency, resource_id=name)


def _in_use(side: Side, belief: Belief, found: _Found) -> Iterator[Drift]:
    entry = found.entry(belief)
    if entry is None:
        if found.is_absent(belief):
            why = f"{belief.name} is in use and billed here, and {side.service} has no such resource: its data may be lost. Ask"
            why += " the provider; then destroy it, or forget it with `broker addons:forget`, and make it anew."
            yield _of(side, belief, DriftKind.MISSING, why)
    elif entry.plan is not None and entry.plan not in (belief.plan, f"{side.service}:{belief.plan}"):
        price, _ = _price(side, entry)
        why = f"{belief.name} is {belief.plan} here and {entry.plan} at {side.service}. Change its plan, to and fro if need be."
        yield _of(side, belief, DriftKind.PLAN_DIFFERS, why, price=abs(price - belief.price_cents))


def _left_over(side: Side, belief: Belief, entry: Listed) -> Drift:
    resource = str(entry.resource_id or entry.uuid)
    if belief.orphan_state is OrphanState.OPEN:
        why = f"{side.service} still has the orphan of {belief.name}; see `broker orphans`."
        return _of(side, belief, DriftKind.ORPHAN_REMAINS, why, resource=resource)
    if belief.orphan_state is OrphanState.RESOLVED:
        why = f"{side.service} still has what was left of {belief.name}, whose orphan an operator has resolved."
        return _of(side, belief, DriftKind.LEFTOVER, why, resource=resource)
    if belief.ownership is not Ownership.CREATED:
        why = f"{side.service} still has {belief.name}, which was imported: it is never deleted by the broker."
        return _of(side, belief, DriftKind.LEFTOVER, why, resource=resource)
    why = f"{side.service} still has {belief.name}, which was made here and is {belief.state}."
    return _of(side, belief, DriftKind.LEFTOVER, why, fix="an orphan is recorded, and deleted", resource=resource)


def _billing(side: Side) -> Iterator[Drift]:
    for belief in side.beliefs:
        if belief.billed and belief.state in (AddonState.DEPROVISIONING, AddonState.DEPROVISIONED):
            why = f"{belief.name} is {belief.state} and still billed."
            fix = "billing ends with the request to destroy it"
            yield _of(side, belief, DriftKind.BILLED_NOT_PROVISIONED, why, fix=fix)
        if not belief.billed and belief.state is AddonState.PROVISIONED and belief.price_cents > 0:
            why = f"{belief.name} is in use and nobody is billed. Nothing is billed afterwards: a change of its plan begins anew."
            yield _of(side, belief, DriftKind.PROVISIONED_NOT_BILLED, why)


def _of(
    side: Side,
    belief: Belief,
    kind: DriftKind,
    why: str,
    *,
    price: int | None = None,
    fix: str | None = None,
    resource: str | None = None,
) -> Drift:
    cents = belief.price_cents if price is None else price
    return Drift(
        kind, side.service, why, cents, belief.currency, fix, belief.addon_id, belief.name, resource, belief.orphan_id
    )


def _price(side: Side, entry: Listed) -> tuple[int, str]:
    """What the listed resource would cost, as far as its plan is known."""
    return side.prices.get((entry.plan or "").rpartition(":")[2], (0, "usd"))


@dataclass(frozen=True, slots=True)
class Money:
    """What drifts cost. Units: cents per month of one currency."""

    currency: str
    unpaid_cents: int
    overbilled_cents: int


def money(drifts: Iterable[Drift]) -> list[Money]:
    """The sums, by currency."""
    sums: dict[str, list[int]] = {}
    for drift in drifts:
        total = sums.setdefault(drift.currency, [0, 0])
        total[0] += drift.price_cents if drift.kind in UNPAID else 0
        total[1] += drift.price_cents if drift.kind in OVERBILLED else 0
    return [Money(currency, *total) for currency, total in sorted(sums.items()) if any(total)]


GONE_WORDS: Final = frozenset({"gone", "deleted", "deprovisioned"})


def present(listed: Iterable[Listed]) -> list[Listed]:
    """The entries that the provider does not call gone itself, of which nobody has anything any more."""
    return [entry for entry in listed if entry.state not in GONE_WORDS]
