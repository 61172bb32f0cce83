"""Reports of usage as they come: batches in the way of Heroku's partners, and CloudEvents. Each is read by itself, so that one
that cannot be understood does not keep the others out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Request
from pydantic import AfterValidator, BeforeValidator, Field

from broker.billing.intake import MOST_REPORTS, Report, Result, Status
from broker.billing.months import read_instant
from broker.faces.reading import Body, Bounds, checked, read_json, storable
from broker.kernel.clock import rfc3339
from broker.kernel.errors import BadRequest, InvalidParams, PayloadTooLarge
from broker.kernel.ids import as_uuid

_DECIMAL: Final = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,18})?")


def _quantity(value: Any) -> Decimal:
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise ValueError(
            'must be a decimal in quotes, such as "12.5", with at most 30 digits before the point and 18 after'
        )
    return Decimal(text)


def _instant(value: Any) -> datetime:
    try:
        return read_instant(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("must be a time with an offset, such as 2026-11-21T10:00:00Z") from None


def _addon_id(value: Any) -> UUID:
    found = as_uuid(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be the add-on's uuid, as the provision request has it")
    return found


def _named(key: str) -> BeforeValidator:
    """`"x"` and `{"id": "x"}` are the same."""
    return BeforeValidator(lambda value: value.get(key) if isinstance(value, dict) else value)


Quantity = Annotated[Decimal, BeforeValidator(_quantity)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
AddonId = Annotated[UUID, BeforeValidator(_addon_id), _named("id")]
Text = Annotated[str, AfterValidator(storable), Field(min_length=1, max_length=200)]


class _Usage(Body):
    """One report of a batch."""

    id: Text | None = None
    resource: AddonId
    unit: Annotated[Text | None, _named("name")] = None
    quantity: Quantity | None = None
    at: Instant | None = None
    subject: Text | None = None
    voids: Text | None = None


class _Data(Body):
    meter: Text | None = None
    quantity: Quantity | None = None
    subject: Text | None = None
    voids: Text | None = None


class _Event(Body):
    """A CloudEvent whose subject is an add-on. Source: CloudEvents 1.0, JSON format."""

    specversion: str
    id: Text
    source: Text
    type: Text
    subject: AddonId
    time: Instant | None = None
    data: _Data


@dataclass(frozen=True, slots=True)
class Incoming:
    """What came: reports, and in the places of those that cannot be read the answers to them."""

    entries: tuple[Report | Result, ...]
    single: bool = False

    @property
    def reports(self) -> list[Report]:
        """Those that can be read."""
        return [entry for entry in self.entries if isinstance(entry, Report)]

    def answered(self, results: Sequence[Result]) -> list[Result]:
        """The answers to all, in their order, given those to the reports."""
        rest = iter(results)
        return [next(rest) if isinstance(entry, Report) else entry for entry in self.entries]


async def read_batch(request: Request, bounds: Bounds) -> Incoming:
    """A batch: `usages`, and the `timestamp` of those that have no time of their own.

    Raises: BadRequest, InvalidParams, PayloadTooLarge.
    """
    raw = await read_json(request, bounds)
    if not isinstance(raw, dict) or not isinstance(raw.get("usages"), list):
        raise BadRequest('The request body must be a JSON object with a list "usages".')
    stated = raw.get("timestamp")
    timestamp = None if stated is None else checked(_Timestamp, {"timestamp": stated}).timestamp
    return _incoming(raw["usages"], lambda each: _from_batch(checked(_Usage, each), timestamp))


async def read_events(request: Request, bounds: Bounds) -> Incoming:
    """One CloudEvent, or a list of them.

    Raises: BadRequest, PayloadTooLarge.
    """
    raw = await read_json(request, bounds)
    if isinstance(raw, dict):
        return Incoming((_from_event(checked(_Event, raw)),), single=True)
    if not isinstance(raw, list):
        raise BadRequest("The request body must be a CloudEvent in JSON, or a list of them.")
    return _incoming(raw, lambda each: _from_event(checked(_Event, each)))


class _Timestamp(Body):
    timestamp: Instant


def _incoming(raw: list[Any], read: Any) -> Incoming:
    if len(raw) > MOST_REPORTS:
        raise PayloadTooLarge(
            f"At most {MOST_REPORTS} reports can be sent at once; send the rest in a further request."
        )
    return Incoming(tuple(_entry(each, read) for each in raw))


def _entry(raw: Any, read: Any) -> Report | Result:
    try:
        report: Report = read(raw)
    except InvalidParams as fault:
        stated = raw.get("id") if isinstance(raw, dict) else None
        return Result(str(stated)[:200] if isinstance(stated, str) else "", Status.REFUSED, "invalid", fault.message)
    return report


def _from_batch(usage: _Usage, timestamp: datetime | None) -> Report:
    if usage.id is None and timestamp is None:
        raise InvalidParams("id: is required, unless the batch has a timestamp.")
    meter, quantity = _read_meter(usage.unit, usage.quantity, usage.voids, "unit")
    # What Heroku's providers name a report by: one per hour, resource and unit.
    name = usage.id or f"{timestamp and rfc3339(timestamp)} {usage.resource} {meter} {usage.subject or ''}".rstrip()
    return Report("", name, usage.resource, meter, quantity, usage.at or timestamp, usage.subject or "", usage.voids)


def _from_event(event: _Event) -> Report:
    if event.specversion != "1.0":
        raise InvalidParams('specversion: must be "1.0".')
    data = event.data
    meter, quantity = _read_meter(data.meter, data.quantity, data.voids, "data.meter")
    return Report(event.source, event.id, event.subject, meter, quantity, event.time, data.subject or "", data.voids)


def _read_meter(meter: str | None, quantity: Decimal | None, voids: str | None, place: str) -> tuple[str, Decimal]:
    """What only reports that void another one may leave out."""
    if voids is not None:
        return "", Decimal(0)
    if meter is None:
        raise InvalidParams(f"{place}: is required.")
    if quantity is None:
        raise InvalidParams("quantity: is required.")
    return meter, quantity
