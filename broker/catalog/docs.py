"""The documentation of a service as Markdown, and its plans side by side. Turning it into HTML is the web face's matter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from broker.catalog.manifest_meters import price_words
from broker.catalog.queries import get_service, list_plans
from broker.catalog.views import PlanView, ServiceView
from broker.kernel.db import Tx


@dataclass(frozen=True, slots=True)
class Comparison:
    """Plans side by side: a row per plan, a cell per label, empty where a plan does not say."""

    labels: tuple[str, ...]
    rows: tuple[tuple[PlanView, tuple[str, ...]], ...]


def compare(plans: Sequence[PlanView]) -> Comparison:
    """The features of the plans, labels in the order in which the plans bring them up."""
    labels = tuple(dict.fromkeys(label for plan in plans for label in plan.features))
    return Comparison(labels, tuple((plan, tuple(plan.features.get(label, "") for label in labels)) for plan in plans))


async def service_docs(tx: Tx, key: str | UUID) -> str:
    """What a user reads about a service before and after adding it, as Markdown.

    Raises: NotFound.
    """
    service = await get_service(tx, key)
    return docs_text(service, await list_plans(tx, service.id))


def docs_text(service: ServiceView, plans: Sequence[PlanView]) -> str:
    """The same from views."""
    listing = service.listing
    parts = [
        f"# {_plain(service.name)}",
        _plain(listing.tagline or ""),
        listing.description or "",
        _plans(plans),
        _meters(plans),
        _config_vars(service),
        listing.docs or "",
        f"More documentation: <{listing.docs_url}>" if listing.docs_url else "",
        f"Support: <{listing.support_email}>" if listing.support_email else "",
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _plans(plans: Sequence[PlanView]) -> str:
    if not plans:
        return ""
    table = compare(plans)
    rows = [("Plan", "Price", *table.labels), ("---",) * (2 + len(table.labels))]
    rows += [(f"`{plan.name}`", plan.price, *cells) for plan, cells in table.rows]
    lines = ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return "\n".join(["## Plans", "", *lines])


def _meters(plans: Sequence[PlanView]) -> str:
    lines = [
        f"- `{plan.name}`: {_plain(str(meter.get('label') or meter['name']))}: {price_words(meter, plan.currency)}"
        for plan in plans
        for meter in plan.meters
    ]
    return "\n".join(["## What usage costs", "", *lines]) if lines else ""


def _config_vars(service: ServiceView) -> str:
    if not service.config_vars:
        return ""
    names = "\n".join(f"- `{name}`" for name in service.config_vars)
    return f"## Config vars\n\n{names}"


def _plain(text: str) -> str:
    """The provider's words as mere text in Markdown."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "\\<")
