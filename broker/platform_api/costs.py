"""What an account owes for a month, line by line, with the arithmetic of each line."""

from __future__ import annotations

from fractions import Fraction

from fastapi import APIRouter, Request

from broker.addons.costs import AddonUsage, CostLine, CostStatement, account_costs
from broker.billing.explain import explain, number
from broker.billing.pricing import Statement
from broker.faces.answers import Answer
from broker.faces.serialize import ref
from broker.kernel.clock import rfc3339
from broker.platform_api import cost_shapes, shapes
from broker.platform_api.deps import PayingActor, face_of
from broker.platform_api.describe import REFUSED, gives

router = APIRouter(tags=["costs"], responses=REFUSED)


@router.get("/account/costs", responses=gives(shapes.Costs))
async def costs(request: Request, actor: PayingActor, month: str | None = None, app: str | None = None) -> Answer:
    """What the account owes for a month such as `2026-11`, the present one if none is given; with `app` the lines of that app."""
    found = await account_costs(face_of(request).ctx, actor, month, app)
    first = found[0].accrual
    shown: shapes.Costs = {
        "month": str(first.now.month),
        "at": rfc3339(first.at),
        "statements": [_statement(each) for each in found],
    }
    return Answer(shown)


def _statement(found: CostStatement) -> cost_shapes.CostStatement:
    return {
        "currency": found.accrual.now.currency,
        "now": _totals(found.accrual.now),
        "forecast": _totals(found.accrual.forecast),
        "lines": [_line(line) for line in found.lines],
    }


def _totals(statement: Statement) -> cost_shapes.CostTotals:
    return {
        "net_minor": statement.net_minor,
        "tax_minor": statement.tax_minor,
        "total_minor": statement.total_minor,
        "prepaid_minor": statement.prepaid_minor,
        "carried_minor": statement.carried_minor,
        "due_minor": statement.due_minor,
    }


def _line(line: CostLine) -> cost_shapes.CostLine:
    now, meter = line.now, line.forecast.meter
    price = line.forecast.price
    return {
        "addon": ref(line.forecast.resource, line.addon_name),
        "app": ref(line.app_id, line.app_name),
        "tags": dict(line.tags),
        "plan": f"{price.service}:{price.plan}",
        "terms": line.forecast.mode.value,
        "kind": "metered" if meter else "fixed",
        "meter": meter.meter if meter else None,
        "label": meter.label if meter else None,
        "unit": meter.unit if meter else None,
        "quantity": number(now.quantity if now else Fraction(0)) if meter else None,
        "seconds": now.seconds if now else 0,
        "amount_minor": now.minor if now else 0,
        "forecast_minor": line.forecast.minor,
        "spans": [{"from": rfc3339(start), "until": rfc3339(end)} for start, end in (now.spans if now else ())],
        "explanation": list(explain(now)) if now else [],
    }


def usage(addon: AddonUsage) -> shapes.AddonUsage:
    """What an add-on used, in the shape of this face."""
    return {
        "id": str(addon.addon_id),
        "name": addon.addon_name,
        "meters": {
            used.meter.label or used.meter.meter: {
                "quantity": _shown(used.quantity),
                "exact": number(used.quantity),
                "meter": used.meter.meter,
                "unit": used.meter.unit,
                "kind": used.meter.kind.value,
            }
            for used in addon.used
        },
    }


def _shown(quantity: Fraction) -> int | float:
    """A number for people: whole, or with three digits after the point."""
    return quantity.numerator if quantity.denominator == 1 else round(float(quantity), 3)
