"""The config vars of an app: names for everybody who may see it, values when they are asked for, which is on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from broker.addons.queries import list_attachments
from broker.addons.taken import reserved_names
from broker.apps.config_vars import get_config_vars, list_var_names, set_config_vars
from broker.apps.queries import get_app
from broker.apps.resolve import AppView
from broker.apps.tags import app_tags
from broker.faces.env_text import BadLine, parse_env, shell_text
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, InvalidParams
from broker.oauth.sessions import SignedIn
from broker.web.app_pages import APPS, Deed, app_address, app_page, taken, the_app
from broker.web.browser import Form

router = APIRouter(include_in_schema=False)
_NEW_ROWS: Final = 3
_SET: Final = "set-"
_REMOVE: Final = "remove-"
"""Begin the names of fields about a var that is there."""


@router.post(APPS + "/apps/{app}/config-vars")
async def change(request: Request, app: str) -> Response:
    """Set some, remove some, in one release. A field that was left empty leaves its var alone."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        return await _changed(ctx, seen, app, _changes(sent))

    return await _take(request, app, deed)


@router.post(APPS + "/apps/{app}/config-vars/import")
async def take_in(request: Request, app: str) -> Response:
    """Set what stands in the text of an environment file."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        try:
            variables = parse_env(_lines(sent.one("env")))
        except BadLine as error:
            raise InvalidParams(f"Nothing was set: {_without_text(error)}.") from None
        return await _changed(ctx, seen, app, variables)

    return await _take(request, app, deed)


@router.post(APPS + "/apps/{app}/config-vars/reveal")
async def reveal(request: Request, app: str) -> Response:
    """The values. That they were read is on record."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        view = await the_app(request, seen, app)
        variables = await get_config_vars(ctx, seen.actor, str(view.id))
        return app_page(
            request, "app_settings.html", seen, view, "settings", **await settings_of(request, seen, view, variables)
        )

    return await _take(request, app, deed)


@router.post(APPS + "/apps/{app}/config-vars/export")
async def export(request: Request, app: str) -> Response:
    """The same as an environment file. A name that a shell could not read is not in any app."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        text = shell_text(await get_config_vars(ctx, seen.actor, app))
        headers = {
            "cache-control": "no-store",
            "content-disposition": f'attachment; filename="{(await the_app(request, seen, app)).name}.env"',
            "x-content-type-options": "nosniff",
        }
        return Response(text, media_type="text/plain; charset=utf-8", headers=headers)

    return await _take(request, app, deed)


async def settings_of(
    request: Request,
    seen: SignedIn,
    app: AppView,
    variables: Mapping[str, str] | None = None,
    sent: Sequence[str] = (),
) -> dict[str, Any]:
    """What the page of settings shows: tags, and config vars, with their values only if it is given them. `sent` are names of new
    vars that were refused."""
    ctx: Context = request.app.state.ctx
    attachments = {each.id: each for each in await list_attachments(ctx, seen.actor, app_id=app.id)}
    return {
        "vars": [
            {
                "name": each.name,
                "value": None if variables is None else variables.get(each.name, ""),
                "by": attachments.get(each.attachment_id) if each.attachment_id else None,
                "is_own": each.attachment_id is None,
            }
            for each in await list_var_names(ctx, seen.actor, str(app.id))
        ],
        "tags": await app_tags(ctx, seen.actor, str(app.id)),
        "wanted": ("", ""),
        "revealed": variables is not None,
        "new_rows": list(enumerate((*sent, *[""] * _NEW_ROWS), 1))[:_NEW_ROWS],
    }


async def _take(request: Request, app: str, deed: Deed) -> Response:
    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        view = await the_app(request, seen, app)
        values = await settings_of(request, seen, view, sent=sent.all("name") if sent else ())
        return app_page(request, "app_settings.html", seen, view, "settings", fault, **values)

    return await taken(request, deed, show, app_address(app, "settings"))


async def _changed(ctx: Context, seen: SignedIn, app: str, changes: Mapping[str, str | None]) -> str:
    before = await get_app(ctx, seen.actor, app)
    await set_config_vars(ctx, seen.actor, str(before.id), changes, reserved_names)
    return "vars" if (await get_app(ctx, seen.actor, app)).version > before.version else "unchanged"


def _changes(sent: Form) -> dict[str, str | None]:
    changes: dict[str, str | None] = {}
    for field in sent.fields:
        if field.startswith(_SET) and sent.one(field):
            changes[field.removeprefix(_SET)] = _lines(sent.one(field))
        elif field.startswith(_REMOVE):
            changes[field.removeprefix(_REMOVE)] = None
    for name, value in zip(sent.all("name"), sent.all("value"), strict=False):
        if name.strip():
            changes[name.strip()] = _lines(value)
        elif value:
            raise InvalidParams("A value came without a name. Nothing was set.")
    return changes


def _lines(text: str) -> str:
    """Browsers end the lines of a form with two characters."""
    return text.replace("\r\n", "\n")


def _without_text(error: BadLine) -> str:
    """Which line it is; what stands there may be a secret."""
    return f"line {error.number} is no NAME=value"
