"""What happened to an app: its releases with what each changed, going back to one, and the facts on record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from broker.addons.taken import reserved_names
from broker.apps.audit_trail import Entry, Wanted, read_trail
from broker.apps.release_changes import list_changes
from broker.apps.rollback import roll_back
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError
from broker.kernel.ids import as_uuid
from broker.oauth.sessions import SignedIn
from broker.web.app_pages import APPS, app_address, app_page, shown, taken, the_app
from broker.web.browser import Form
from broker.web.moments import minute

router = APIRouter(include_in_schema=False)
_HERE: Final = APPS + "/apps/{app}/activity"
_RELEASES: Final = 10
_FACTS: Final = 25
_LONGEST: Final = 120
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)")


@router.get(_HERE)
async def activity(request: Request, app: str) -> Response:
    """The newest; `before` (a version) and `after` (an event) lead to older ones."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _activity(request, seen, app, fault)

    return await shown(request, show)


@router.post(APPS + "/apps/{app}/rollback")
async def go_back(request: Request, app: str) -> Response:
    """Restore the app's own config vars of a release."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        await roll_back(ctx, seen.actor, app, sent.one("release"), reserved_names)
        return "rolledback"

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _activity(request, seen, app, fault)

    return await taken(request, deed, show, app_address(app, "activity"))


async def _activity(request: Request, seen: SignedIn, name: str, fault: BrokerError | None) -> Response:
    ctx: Context = request.app.state.ctx
    app = await the_app(request, seen, name)
    before, after = request.query_params.get("before", ""), as_uuid(request.query_params.get("after", ""))
    version = int(before) if before.isascii() and before.isdigit() and len(before) < 10 else None
    releases = await list_changes(ctx, seen.actor, str(app.id), limit=_RELEASES, before=version)
    wanted = Wanted(app=str(app.id))
    facts = await read_trail(ctx, seen.actor, wanted, after=after, newest_first=True, most=_FACTS)
    return app_page(
        request,
        "app_activity.html",
        seen,
        app,
        "activity",
        fault,
        releases=[{"of": each, "at": minute(each.release.created_at)} for each in releases],
        older_releases=releases[-1].release.version if releases and releases[-1].release.version > 1 else None,
        facts=[_fact(each) for each in facts],
        older_facts=facts[-1].id if len(facts) == _FACTS else None,
    )


def _fact(entry: Entry) -> dict[str, Any]:
    return {
        "what": _what(entry.kind),
        "who": "the broker" if entry.actor_email == "broker@localhost" else entry.actor_email,
        "at": minute(entry.at),
        "address": entry.address,
        "data": list(_told(entry.data)),
    }


def _what(kind: str) -> str:
    """`Add-on provision failed`, of `addon.provision_failed`."""
    return kind.replace(".", " ").replace("_", " ").replace("addon", "add-on").capitalize()


def _told(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What of a fact's data fits into a line."""
    told = []
    for name, value in data.items():
        if isinstance(value, list):
            value = ", ".join(map(str, value))
        elif isinstance(value, dict):
            value = ", ".join(f"{key} {item}" for key, item in value.items())
        elif isinstance(value, str) and _INSTANT.fullmatch(value):
            value = _in_words(value)
        if value not in (None, "") and not as_uuid(str(value)):
            told.append((name.replace("_", " "), str(value)[:_LONGEST]))
    return told


def _in_words(instant: str) -> str:
    try:
        return minute(datetime.fromisoformat(instant))
    except ValueError:  # somebody calls something else so
        return instant
