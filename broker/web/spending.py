"""What was spent over the months, by app or by service: a chart, and the same numbers in a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from broker.addons.spend_history import SpendHistory, Spent, spend_history
from broker.kernel.context import Context
from broker.kernel.money import Money, decimal
from broker.web import browser
from broker.web.chart import Series, stacked
from broker.web.inside import account_page
from broker.web.moments import month_words

router = APIRouter(include_in_schema=False)
HERE: Final = "/account/spending"
_MOST: Final = 5
"""So many parts are told apart by colour; all others are one."""


@router.get(HERE)
async def overview(request: Request, by: str = "app") -> Response:
    """A year, by app, or by service."""
    seen = await browser.who(request)
    if seen is None:
        return browser.to_sign_in(request)
    ctx: Context = request.app.state.ctx
    by = "service" if by == "service" else "app"
    history = await spend_history(ctx, seen.actor)
    currencies = sorted({each.currency for each in history.spent if each.minor or each.coming_minor})
    shown = [_shown(history, currency, by) for currency in currencies]
    return account_page(request, "spending.html", seen, 200, here=HERE, by=by, shown=shown)


def _shown(history: SpendHistory, currency: str, by: str) -> dict[str, Any]:
    spent = [each for each in history.spent if each.currency == currency]
    rows = _rows(history.months, spent, by)
    coming = _values(history.months, [(each.month, each.coming_minor) for each in spent])
    sums = [sum(of_month) for of_month in zip(*(values for _, values in rows), strict=True)]
    return {
        "currency": currency.upper(),
        "chart": stacked(
            f"Spent by {by}, in {currency.upper()}",
            f"{_words(sums, currency)} The table below has every number.",
            {month_words(month): month_words(month)[:3] for month in history.months},
            [*_series(rows), Series("Still to come", "coming", coming)],
            lambda minor: _short(minor, currency),
        ),
        "legend": [(each.look, each.name) for each in _series(rows)],
        "has_coming": any(coming),
        "months": [month_words(month) for month in history.months],
        "rows": [(name, [decimal(minor, currency) for minor in values]) for name, values in rows],
        "sums": [decimal(minor, currency) for minor in sums],
        "coming": [decimal(minor, currency) for minor in coming],
    }


def _rows(months: Sequence[str], spent: Sequence[Spent], by: str) -> list[tuple[str, list[int]]]:
    """A row for each app or service, by its newest name, the dearest first."""
    found: dict[Any, list[tuple[str, int]]] = defaultdict(list)
    names: dict[Any, str] = {}
    for each in spent:  # from the oldest month to the newest
        key = each.app_id if by == "app" else each.service
        names[key] = each.app if by == "app" else each.service
        found[key].append((each.month, each.minor))
    rows = [(names[key], _values(months, values)) for key, values in found.items()]
    return sorted(rows, key=lambda row: (-sum(row[1]), row[0]))


def _series(rows: Sequence[tuple[str, list[int]]]) -> list[Series]:
    told = [Series(name, f"series-{place}", values) for place, (name, values) in enumerate(rows[:_MOST], 1)]
    rest = [values for _, values in rows[_MOST:]]
    return (
        [*told, Series("All others", "series-rest", [sum(each) for each in zip(*rest, strict=True)])] if rest else told
    )


def _values(months: Sequence[str], values: Sequence[tuple[str, int]]) -> list[int]:
    sums: dict[str, int] = defaultdict(int)
    for month, minor in values:
        sums[month] += minor
    return [sums[month] for month in months]


def _words(sums: Sequence[int], currency: str) -> str:
    """What the chart shows, for whoever does not see it."""
    last, all_ = Money(sums[-1] if sums else 0, currency), Money(sum(sums), currency)
    return f"{all_} in {len(sums)} months, {last} of it this month so far."


def _short(minor: int, currency: str) -> str:
    """An amount beside a line: without what comes after the point, if that is nothing."""
    text = decimal(minor, currency)
    whole, _, rest = text.partition(".")
    return text if rest.strip("0") else f"{int(whole):,}"
