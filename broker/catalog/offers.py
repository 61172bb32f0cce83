"""Plans with their services, as views that are made once per version and then kept: catalogs change rarely, and are read
with every add-on that is shown.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import LABEL_STYLE_NONE, ColumnElement, bindparam, select, true

from broker.catalog.models import AddonService, Plan
from broker.catalog.views import PLAN_COLUMNS, SERVICE_COLUMNS, PlanView, ServiceView, plan_view, service_view
from broker.flags.models import Flag
from broker.flags.switch import paused, switched_off_for
from broker.kernel.db import Tx
from broker.kernel.direct import Direct, Record
from broker.kernel.errors import Paused
from broker.kernel.ids import as_uuid

_MOST: Final = 2_000
SLUG: Final = re.compile(r"[a-z0-9-]{1,63}")
"""What services and plans are called."""


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


def _by_key(*more: ColumnElement[Any], off: Any = None) -> dict[str, Direct]:
    """The version of an offer and `more`, by what it can be asked for with."""
    offers = select(*VERSION_COLUMNS, *more).join(AddonService, AddonService.id == Plan.service_id)
    if off is not None:
        offers = offers.outerjoin(off, true())
    of_service = offers.where(AddonService.slug == bindparam("service"))
    return {
        "id": Direct(offers.where(Plan.id == bindparam("plan_id"))),
        "default": Direct(of_service.where(Plan.is_default)),
        "name": Direct(of_service.where(Plan.slug == bindparam("plan"))),
    }


_OFF: Final = switched_off_for(Flag.INSTALLS, AddonService.slug)
_OFFERS: Final = _by_key()
_INSTALLS: Final = _by_key(_OFF.c.reason, _OFF.c.slug, off=_OFF)


async def find_offer(tx: Tx, key: str) -> Offer | None:
    """The plan of this `service:plan` name or id with its service, or the default plan of this service, whatever its state."""
    row = await _row(tx, key, _OFFERS)
    return None if row is None else await _seen(tx, row)


async def find_install(tx: Tx, key: str) -> tuple[Offer | None, Paused | None]:
    """The same, and the refusal if operators have switched off that it is installed, in the one statement."""
    row = await _row(tx, key, _INSTALLS)
    if row is None:
        return None, None
    return await _seen(tx, row), None if row.reason is None else paused(Flag.INSTALLS, row.slug, row.reason)


async def _row(tx: Tx, key: str, statements: Mapping[str, Direct]) -> Record | None:
    plan_id, (service, colon, plan) = as_uuid(key), key.partition(":")
    if plan_id is not None:
        return await statements["id"].first(tx, plan_id=plan_id)
    if not SLUG.fullmatch(service) or (colon and not SLUG.fullmatch(plan)):
        return None
    if colon:
        return await statements["name"].first(tx, service=service, plan=plan)
    return await statements["default"].first(tx, service=service)


async def _seen(tx: Tx, row: Record) -> Offer:
    version = tuple(row[: len(VERSION_COLUMNS)])
    return (await look_up(tx, [version]))[version]
