"""Random histories: what must hold of every one of them, and what an independent computation says."""

import random
from datetime import datetime, timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.billing.months import month_at
from broker.billing.prices import MeterPrice, Model, Tier, charge
from broker.billing.timeline import Mode, Segment
from tests.billing import oracle
from tests.billing.making import ALICE, APRIL, BOB, bill, history, price

MONTH_S = APRIL.seconds
HISTORIES = 10_000
PRICES = {"small": 300, "large": 2900, "odd": 777, "free": 0}
OWNERS = {"alice": ALICE, "bob": BOB}


def at(second: int) -> datetime:
    return APRIL.start + timedelta(seconds=second)


def made(spans: list[oracle.Span]) -> list[Segment]:
    """The same history as the broker tells it."""
    changes: list[tuple[object, ...]] = []
    for start, _, plan, owner in spans:
        kind = "plan" if changes else "activate"
        changes.append((at(start), kind, price(PRICES[plan], plan), OWNERS[owner]))
    if (end := spans[-1][1]) is not None:
        changes.append((at(end), "end"))
    return history(*changes)


def random_spans(chance: random.Random) -> list[oracle.Span]:
    moments = sorted(chance.sample(range(-MONTH_S // 4, MONTH_S + MONTH_S // 4), chance.randint(2, 8)))
    if chance.random() < 0.2:
        moments = [max(0, min(moment, MONTH_S)) // 86_400 * 86_400 for moment in moments]
        moments = sorted(set(moments)) if len(set(moments)) > 1 else [0, MONTH_S]
    plans = [chance.choice(list(PRICES)) for _ in moments]
    owners = [chance.choice(["alice", "alice", "bob"]) for _ in moments]
    spans: list[oracle.Span] = [
        (start, end, plan, owner) for start, end, plan, owner in zip(moments, moments[1:], plans, owners, strict=False)
    ]
    if chance.random() < 0.5:
        spans[-1] = (spans[-1][0], None, *spans[-1][2:])
    return spans


def test_an_independent_computation_agrees_on_ten_thousand_histories() -> None:
    chance = random.Random(20261121)
    for _ in range(HISTORIES):
        spans, until = random_spans(chance), chance.choice([MONTH_S, chance.randrange(1, MONTH_S)])
        for owner, account in OWNERS.items():
            found = bill(made(spans), account=account, at=at(until))
            ours = {line.price.plan: line.minor for line in found.lines}
            assert ours == oracle.fixed_cost(spans, PRICES, owner, MONTH_S, until), (spans, until, owner)


seconds = st.integers(-MONTH_S, 2 * MONTH_S)
plans = st.sampled_from(sorted(PRICES))
histories = st.lists(st.tuples(seconds, plans, st.sampled_from(sorted(OWNERS))), min_size=1, max_size=8)


def spans_of(drawn: list[tuple[int, str, str]]) -> list[oracle.Span]:
    ordered = sorted(drawn)
    ends = [start for start, _, _ in ordered[1:]]
    return [(start, end, plan, owner) for (start, plan, owner), end in zip(ordered, [*ends, None], strict=True)]


@given(histories)
@settings(max_examples=200, deadline=None)
def test_a_month_never_costs_more_than_the_dearest_of_its_plans(drawn: list[tuple[int, str, str]]) -> None:
    used = made(spans_of(drawn))
    total = sum(bill(used, account=account).total_minor for account in OWNERS.values())
    assert 0 <= total <= max(PRICES[plan] for _, plan, _ in drawn) + len(drawn)


@given(
    st.integers(-MONTH_S, 0),
    st.lists(st.tuples(st.integers(1, MONTH_S - 1), st.sampled_from(sorted(OWNERS))), max_size=6),
)
@settings(max_examples=200, deadline=None)
def test_a_full_month_on_one_plan_costs_its_price_whoever_had_it(start: int, hands: list[tuple[int, str]]) -> None:
    spans = spans_of([(start, "odd", "alice"), *((second, "odd", owner) for second, owner in hands)])
    assert sum(bill(made(spans), account=account).total_minor for account in OWNERS.values()) == PRICES["odd"]


@given(histories, st.randoms())
@settings(max_examples=100, deadline=None)
def test_the_order_in_which_segments_are_given_does_not_matter(
    drawn: list[tuple[int, str, str]], chance: random.Random
) -> None:
    used = made(spans_of(drawn))
    assert bill(used) == bill(chance.sample(used, len(used)))


@given(histories, st.integers(1, MONTH_S - 1))
@settings(max_examples=100, deadline=None)
def test_a_cut_that_changes_nothing_costs_nothing(drawn: list[tuple[int, str, str]], cut: int) -> None:
    used = made(spans_of(drawn))
    halves = [half for segment in used for half in _cut(segment, at(cut))]
    assert [line.minor for line in bill(halves).lines] == [line.minor for line in bill(used).lines]


def _cut(segment: Segment, moment: datetime) -> list[Segment]:
    if not segment.start < moment < (segment.end or APRIL.end + timedelta(days=365)):
        return [segment]
    fields = {name: getattr(segment, name) for name in ("resource", "activation", "account", "price", "mode")}
    return [
        Segment(**fields, start=segment.start, end=moment),
        Segment(**fields, start=moment, end=segment.end, last=segment.last),
    ]


@given(histories, st.integers(0, MONTH_S), st.integers(0, MONTH_S))
@settings(max_examples=100, deadline=None)
def test_the_longer_the_month_lasts_the_more_it_costs(drawn: list[tuple[int, str, str]], one: int, other: int) -> None:
    used, (early, late) = made(spans_of(drawn)), sorted((one, other))
    assert bill(used, at=at(early)).total_minor <= bill(used, at=at(late)).total_minor


@given(histories)
@settings(max_examples=100, deadline=None)
def test_nothing_leads_from_the_sandbox_to_a_statement(drawn: list[tuple[int, str, str]]) -> None:
    changes = [
        (at(start), "plan" if index else "activate", price(PRICES[plan], plan))
        for index, (start, plan, _) in enumerate(sorted(drawn))
    ]
    first = (*changes[0], Mode.SANDBOX)
    used = history(first, *changes[1:])
    assert all(bill(used, month=month_at(2026, month)).lines == () for month in (3, 4, 5))


@given(
    st.sampled_from(["graduated", "volume"]),
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 99)), min_size=1, max_size=4),
    st.integers(0, 99),
    st.integers(0, 300),
)
@settings(max_examples=200, deadline=None)
def test_tiers_agree_with_counting_unit_by_unit(
    model: str, steps: list[tuple[int, int]], rest: int, units: int
) -> None:
    limits = [sum(width for width, _ in steps[: index + 1]) for index in range(len(steps))]
    plain = [
        *((limit, Fraction(cost, 10)) for limit, (_, cost) in zip(limits, steps, strict=True)),
        (None, Fraction(rest, 10)),
    ]
    tiers = tuple(Tier(None if limit is None else Fraction(limit), cost) for limit, cost in plain)
    meter = MeterPrice("units", model=Model(model), tiers=tiers)
    assert charge(meter, Fraction(units)) == oracle.tiered_cost(model, plain, units)
