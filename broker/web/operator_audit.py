"""The audit for operators: who did what to what, from where and with which token; and whether the chain of it holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from broker.apps.audit_trail import Entry, Wanted, read_trail
from broker.events.audit import verify_some
from broker.kernel.errors import BrokerError, InvalidParams, NotFound
from broker.kernel.ids import as_uuid
from broker.oauth.sessions import SignedIn
from broker.web.operating import operator_page, searched, shown

router = APIRouter(include_in_schema=False)
_HERE: Final = "/operator/audit"
_PAGE: Final = 50
_AT_ONCE: Final = 5000
"""Links that are computed again for one page."""
_FIELDS: Final = ("kind", "by", "app", "since", "until")


@router.get(_HERE)
async def trail(request: Request) -> Response:
    """Facts, the newest first, with filters."""
    return await shown(request, _trail)


@router.get(f"{_HERE}/chain")
async def chain(request: Request) -> Response:
    """A part of the chain, computed again."""
    return await shown(request, _chain)


async def _trail(request: Request, seen: SignedIn, _: BrokerError | None) -> Response:
    seen.actor.require_operator()
    typed = {name: searched(request, name) for name in _FIELDS}
    try:
        found, fault = await _read(request, seen, typed), None
    except NotFound:
        found, fault = [], InvalidParams("There is and was no such app.")
    except InvalidParams as error:
        found, fault = [], error
    asked = {name: value for name, value in typed.items() if value}
    older = f"{_HERE}?{urlencode(asked | {'after': str(found[_PAGE - 1].id)})}" if len(found) > _PAGE else None
    return operator_page(
        request, "operator_audit.html", seen, fault, here=_HERE, rows=[_row(each) for each in found[:_PAGE]],
        typed=typed, older=older, is_first="after" not in request.query_params,
        newest=f"{_HERE}?{urlencode(asked)}" if asked else _HERE,
    )  # fmt: skip


async def _read(request: Request, seen: SignedIn, typed: dict[str, str]) -> list[Entry]:
    wanted = Wanted(
        app=typed["app"] or None,
        by=typed["by"] or None,
        kind=typed["kind"] or None,
        since=_day("since", typed["since"]),
        until=_day("until", typed["until"], timedelta(days=1)),
    )
    after = as_uuid(searched(request, "after"))
    return await read_trail(request.app.state.ctx, seen.actor, wanted, after=after, newest_first=True, most=_PAGE + 1)


def _day(name: str, text: str, further: timedelta = timedelta(0)) -> datetime | None:
    """The beginning of a day; `until` means the whole of it."""
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) + further
    except (ValueError, OverflowError):
        raise InvalidParams(f"{name}: give a day, such as 2026-11-21.") from None


def _row(entry: Entry) -> dict[str, Any]:
    return {"entry": entry, "data": json.dumps(dict(entry.data), indent=1, ensure_ascii=False) if entry.data else ""}


async def _chain(request: Request, seen: SignedIn, fault: BrokerError | None) -> Response:
    after = searched(request, "after")
    start = int(after) if after.isascii() and after.isdigit() and len(after) < 18 else 0
    part = await verify_some(request.app.state.ctx, seen.actor, start, _AT_ONCE)
    return operator_page(request, "operator_chain.html", seen, fault, here=_HERE, part=part, start=start)
