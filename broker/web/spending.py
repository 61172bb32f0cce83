"""What was spent over the months, by app, service or a tag: a chart, and the same numbers in a table. And the account's tags."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from broker.addons.spend_history import SpendHistory, Spent, spend_history
from broker.apps.tags import account_tags, change_account_tags
from broker.faces.errors import status_of
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError
from broker.kernel.money import Money, decimal
from broker.oauth.sessions import SignedIn
from broker.web.browser import Form
from broker.web.chart import Series, stacked
from broker.web.inside import account_page, act, flash, shown_inside
from broker.web.moments import month_words
from broker.web.tag_form import tag_changes
from broker.web.team_money import OF_TEAM, OWN, money_address

router = APIRouter(include_in_schema=False)
_HERE: Final = "/spending"
_UNTAGGED: Final = "(none)"
_MOST: Final = 5
"""So many parts are told apart by colour; all others are one."""


@dataclass(frozen=True, slots=True)
class _By:
    """What it is sorted by: `app`, `service`, or `tag` with the name of one."""

    kind: str
    tag: str = ""

    @property
    def words(self) -> str:
        """As the page says it."""
        return f"tag {self.tag}" if self.kind == "tag" else self.kind

    def key(self, spent: Spent) -> Any:
        """What two things have in common that are one row."""
        return {"app": spent.app_id, "service": spent.service}.get(self.kind, self.name(spent))

    def name(self, spent: Spent) -> str:
        """What the row is called."""
        return {"app": spent.app, "service": spent.service}.get(self.kind, spent.tags.get(self.tag) or _UNTAGGED)


@router.get(OWN + _HERE)
@router.get(OF_TEAM + _HERE)
async def overview(request: Request) -> Response:
    """A year, by app, service, or a tag."""

    async def show(seen: SignedIn) -> Response:
        return await _overview(request, seen)

    return await shown_inside(request, show)


@router.post(f"{OWN}{_HERE}/tags")
@router.post(f"{OF_TEAM}{_HERE}/tags")
async def change_tags(request: Request) -> Response:
    """Set and remove tags of the account."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> None:
        await change_account_tags(ctx, seen.actor, tag_changes(sent))

    return await act(request, deed, _overview, money_address(request, _HERE), "tags")


async def _overview(request: Request, seen: SignedIn, fault: BrokerError | None = None) -> Response:
    ctx: Context = request.app.state.ctx
    history = await spend_history(ctx, seen.actor)
    tags = sorted({name for each in history.spent for name in each.tags})
    by = _by(request, tags)
    currencies = sorted({each.currency for each in history.spent if each.minor or each.coming_minor})
    return account_page(
        request,
        "spending.html",
        seen,
        200 if fault is None else status_of(type(fault)),
        here=money_address(request, _HERE),
        flash=flash(request, fault),
        by=by,
        tags=tags,
        own=await account_tags(ctx, seen.actor),
        shown=[_shown(history, currency, by) for currency in currencies],
    )


def _by(request: Request, tags: Sequence[str]) -> _By:
    kind, wanted = request.query_params.get("by", "app"), request.query_params.get("tag", "")
    if kind == "tag" and tags:
        return _By("tag", wanted if wanted in tags else tags[0])
    return _By("service" if kind == "service" else "app")


def _shown(history: SpendHistory, currency: str, by: _By) -> dict[str, Any]:
    spent = [each for each in history.spent if each.currency == currency]
    rows = _rows(history.months, spent, by)
    coming = _values(history.months, [(each.month, each.coming_minor) for each in spent])
    sums = [sum(of_month) for of_month in zip(*(values for _, values in rows), strict=True)]
    return {
        "currency": currency.upper(),
        "chart": stacked(
            f"Spent by {by.words}, in {currency.upper()}",
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


def _rows(months: Sequence[str], spent: Sequence[Spent], by: _By) -> list[tuple[str, list[int]]]:
    """A row for each of what it is sorted by, by its newest name, the dearest first."""
    found: dict[Any, list[tuple[str, int]]] = defaultdict(list)
    names: dict[Any, str] = {}
    for each in spent:  # from the oldest month to the newest
        key = by.key(each)
        names[key] = by.name(each)
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
