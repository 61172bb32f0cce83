"""A line of a bill, and what is taken back of one, as rows of the FOCUS format: one for what was used, one for its tax. Pure.

Source: FinOps Open Cost and Usage Specification 1.0: every mandatory column, and of the conditional ones those that we have.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from broker.billing.months import Month
from broker.billing.prices import unit_price_text
from broker.kernel.clock import rfc3339
from broker.kernel.money import decimal, rounded

FOCUS_COLUMNS: Final = (
    "BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd BillingPeriodStart ChargeCategory"
    " ChargeClass ChargeDescription ChargeFrequency ChargePeriodEnd ChargePeriodStart ConsumedQuantity ConsumedUnit"
    " ContractedCost EffectiveCost InvoiceIssuerName ListCost PricingCategory PricingQuantity PricingUnit ProviderName"
    " PublisherName ResourceId ResourceName ResourceType ServiceCategory ServiceName SkuId SkuPriceId SubAccountId"
    " SubAccountName Tags x_InvoiceNumber"
).split()

_DIGITS: Final = 10**12
_ISSUER: Final = "Addon Broker"


def focus_rows(line: Any) -> list[Mapping[str, str]]:
    """The rows of a line, which has the columns of its bill beside its own."""
    inclusive = bool(line.terms["tax"] and line.terms["tax"]["inclusive"])
    within = line.tax_minor if inclusive else 0
    net = line.minor - line.discount_minor - line.promo_minor - within
    contracted = line.minor - line.discount_minor - within
    usage = _whole(line) | _used(line) | _costs(line, net, contracted, line.minor - within)
    if not line.tax_minor:
        return [usage]
    tax = dict.fromkeys(FOCUS_COLUMNS, "") | _whole(line) | _costs(line, line.tax_minor)
    tax |= {"ChargeCategory": "Tax", "ChargeDescription": f"Tax on {line.service}:{line.plan} of {line.addon}"}
    return [usage, tax]


def correction_rows(part: Any, month: Month) -> list[Mapping[str, str]]:
    """The rows of what a credit note takes back of a line, in the month in which it was written, about the one that was billed."""
    rows: list[Mapping[str, str]] = []
    for category, minor in (("Usage", part.note_net_minor), ("Tax", part.note_tax_minor)):
        row = dict.fromkeys(FOCUS_COLUMNS, "") | _whole(part) | _costs(part, -minor)
        row |= {"BillingPeriodStart": rfc3339(month.start), "BillingPeriodEnd": rfc3339(month.end)}
        row |= {"ChargeCategory": category, "ChargeClass": "Correction", "x_InvoiceNumber": part.note}
        row["ChargeDescription"] = f"{part.note} takes back of {part.invoice}: {part.reason}"
        row["PricingCategory"] = "Standard" if category == "Usage" else ""
        rows += [row] if minor else []
    return rows


def _whole(line: Any) -> dict[str, str]:
    """What both rows say."""
    return {
        "BillingAccountId": str(line.account_id),
        "BillingAccountName": line.email,
        "BillingCurrency": line.currency.upper(),
        "BillingPeriodStart": rfc3339(line.starts_at),
        "BillingPeriodEnd": rfc3339(line.ends_at),
        "ChargePeriodStart": rfc3339(line.starts_at),
        "ChargePeriodEnd": rfc3339(line.ends_at),
        "ChargeClass": "",
        "ChargeFrequency": "Usage-Based",
        "InvoiceIssuerName": _ISSUER,
        "ProviderName": _ISSUER,
        "PublisherName": line.service,
        "ResourceId": str(line.addon_id),
        "ResourceName": line.addon,
        "ResourceType": "Add-on",
        "ServiceCategory": "Other",
        "ServiceName": line.service,
        "SubAccountId": str(line.app_id),
        "SubAccountName": line.app,
        "Tags": json.dumps({**line.tags, "app": line.app, "plan": f"{line.service}:{line.plan}"}),
        "x_InvoiceNumber": line.invoice or "",
    }


def _used(line: Any) -> dict[str, str]:
    """How much of what: units of a meter, or the time for which a plan was held."""
    quantity = line.quantity if line.meter else str(line.seconds)
    text = unit_price_text(Fraction(rounded(Fraction(quantity) * _DIGITS), _DIGITS) * 100, "usd")
    unit = line.meter or "Seconds"
    return {
        "ChargeCategory": "Usage",
        "ChargeDescription": f"{line.service}:{line.plan} of {line.addon}" + (f", {line.meter}" if line.meter else ""),
        "ConsumedQuantity": text,
        "ConsumedUnit": unit,
        "PricingCategory": "Standard",
        "PricingQuantity": text,
        "PricingUnit": unit,
        "SkuId": f"{line.service}:{line.plan}" + (f":{line.meter}" if line.meter else ""),
        "SkuPriceId": str(line.price_id),
    }


def _costs(line: Any, billed: int, contracted: int | None = None, listed: int | None = None) -> dict[str, str]:
    """What it costs: as it is billed, before what was given, and before what was agreed."""
    cost, rest = decimal(billed, line.currency), (billed if each is None else each for each in (contracted, listed))
    contract, list_ = (decimal(each, line.currency) for each in rest)
    return {"BilledCost": cost, "EffectiveCost": cost, "ContractedCost": contract, "ListCost": list_}
