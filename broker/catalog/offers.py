"""Plans with their services, as views that are made once per version and then kept: catalogs change rarely, and are read
with every add-on that is shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import LABEL_STYLE_NONE, select

from broker.catalog.models import AddonService, Plan
from broker.catalog.views import PLAN_COLUMNS, SERVICE_COLUMNS, PlanView, ServiceView, plan_view, service_view
from broker.kernel.db import Tx

_MOST: Final = 2_000


@dataclass(frozen=True, slots=True)
class Offer:
    """A plan, and its service with everything that is public about it."""

    plan: PlanView
    service: ServiceView


VERSION_COLUMNS: Final = (
    Plan.id,
    Plan.updated_at,
    Plan.state,
    AddonService.revision,
    AddonService.updated_at,
    AddonService.state,
)
"""What names one version of an offer: whatever changes a plan or a service changes one of them."""

Version = tuple[Any, ...]
_kept: dict[Version, Offer] = {}


def kept(versions: Iterable[Version]) -> Mapping[Version, Offer] | None:
    """The offers of these versions, or None if one of them has still to be looked up."""
    try:
        return {version: _kept[version] for version in versions}
    except KeyError:
        return None


async def look_up(tx: Tx, versions: Iterable[Version]) -> Mapping[Version, Offer]:
    """The same, from the database where need be."""
    wanted = set(versions)
    known = {version: _kept[version] for version in wanted if version in _kept}
    read = await _read(tx, wanted - known.keys())
    if len(_kept) + len(read) > _MOST:
        _kept.clear()
    _kept.update(read)
    return known | read


async def _read(tx: Tx, versions: Collection[Version]) -> dict[Version, Offer]:
    """An offer that has changed since its version was named goes by the older one, too: it is newer by a moment."""
    if not versions:
        return {}
    columns = (*PLAN_COLUMNS, *SERVICE_COLUMNS)
    statement = select(*columns).join(AddonService, AddonService.id == Plan.service_id)
    found = statement.where(Plan.id.in_({version[0] for version in versions})).set_label_style(LABEL_STYLE_NONE)
    offers = {}
    for row in await tx.execute(found):
        plan = plan_view(_part(row, 0, PLAN_COLUMNS))
        offers[plan.id] = Offer(plan, service_view(_part(row, len(PLAN_COLUMNS), SERVICE_COLUMNS)))
    return {version: offers[version[0]] for version in versions}


def _part(row: Any, start: int, columns: tuple[Any, ...]) -> Any:
    """The columns of one view out of a wide row, by name."""
    return dict(zip((column.name for column in columns), row[start : start + len(columns)], strict=True))
