"""How the account stands: what is owed and what follows if it is not paid, the present month so far, credits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import Request, Response

from broker.addons.costs import CostLine, CostStatement, account_costs
from broker.billing.credits import CreditView, list_credits
from broker.billing.pricing import CreditKind
from broker.kernel.context import Context
from broker.kernel.money import Money, decimal
from broker.oauth.sessions import SignedIn
from broker.payments.dunning_schedule import StepKind
from broker.payments.dunning_views import UnpaidView, billing_status
from broker.payments.methods import list_methods
from broker.payments.views import list_payments
from broker.web.inside import account_page, flash, shown_inside
from broker.web.moments import day, month_words
from broker.web.team_money import both, money_address

_HERE: Final = "/billing"
_NEXT: Final = {
    StepKind.TRY: "Payment is tried again by itself.",
    StepKind.WARN: "You are told once more.",
    StepKind.SUSPEND: "Your paid add-ons are suspended: their config vars are withdrawn, their data stay.",
    StepKind.NOTICE: "You are told that they are about to be deleted.",
    StepKind.DELETE: "They are deleted with their data.",
}


async def billing(request: Request) -> Response:
    """What is owed, what this month has cost, and what is left of credits."""

    async def show(seen: SignedIn) -> Response:
        return await _billing(request, seen)

    return await shown_inside(request, show)


TWINS: Final = both(_HERE, billing)


async def _billing(request: Request, seen: SignedIn) -> Response:
    ctx: Context = request.app.state.ctx
    status = await billing_status(ctx, seen.actor)
    costs = await account_costs(ctx, seen.actor)
    under_way = {each.invoice_id for each in await list_payments(ctx, seen.actor) if each.finished_at is None}
    return account_page(
        request,
        "billing.html",
        seen,
        200,
        here=money_address(request, _HERE),
        flash=flash(request),
        standing=status.standing,
        day=day,
        owed=_sums(status.unpaid),
        unpaid=[_unpaid(each, is_under_way=each.id in under_way) for each in status.unpaid],
        can_pay=bool(await list_methods(ctx, seen.actor)),
        month=month_words(str(costs[0].accrual.now.month)),
        costs=[_month(each) for each in costs],
        credits=[_credit(each) for each in await list_credits(ctx, seen.actor) if each.left_minor],
    )


def _sums(unpaid: Sequence[UnpaidView]) -> list[Money]:
    """One amount for each currency."""
    sums: dict[str, int] = {}
    for each in unpaid:
        sums[each.currency] = sums.get(each.currency, 0) + each.owed_minor
    return [Money(minor, currency) for currency, minor in sorted(sums.items())]


def _unpaid(view: UnpaidView, *, is_under_way: bool) -> dict[str, Any]:
    return {
        "number": view.number,
        "month": month_words(view.month),
        "issued": day(view.issued_at) if view.issued_at else None,
        "owed": Money(view.owed_minor, view.currency),
        "disputed": Money(view.disputed_minor, view.currency) if view.disputed_minor else None,
        "is_late": view.state == "past_due",
        "is_paused": view.is_paused,
        "is_under_way": is_under_way,
        "steps": [(day(step.due_at), _NEXT[step.kind]) for step in view.steps],
    }


def _month(found: CostStatement) -> dict[str, Any]:
    now, forecast, currency = found.accrual.now, found.accrual.forecast, found.accrual.now.currency
    return {
        "currency": currency.upper(),
        "now": Money(now.total_minor, currency),
        "forecast": Money(forecast.total_minor, currency),
        "sum_now": decimal(now.total_minor, currency),
        "sum_forecast": decimal(forecast.total_minor, currency),
        "has_tax": bool(forecast.tax_minor),
        "due": Money(forecast.due_minor, currency) if forecast.due_minor != forecast.total_minor else None,
        "lines": [_line(line, currency) for line in found.lines if line.forecast.minor],
    }


def _line(line: CostLine, currency: str) -> dict[str, Any]:
    price, meter = line.forecast.price, line.forecast.meter
    return {
        "app": line.app_name,
        "addon": line.addon_name,
        "plan": f"{price.service}:{price.plan}",
        "meter": (meter.label or meter.meter) if meter else None,
        "now": decimal(line.now.minor if line.now else 0, currency),
        "forecast": decimal(line.forecast.minor, currency),
    }


def _credit(view: CreditView) -> dict[str, Any]:
    return {
        "kind": "Promotion" if view.kind == CreditKind.PROMO else "Prepaid",
        "reason": view.reason,
        "left": Money(view.left_minor, view.currency),
        "of": Money(view.minor, view.currency),
        "until": day(view.expires_at) if view.expires_at else None,
    }
