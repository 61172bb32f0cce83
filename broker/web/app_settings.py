"""The settings of an app: its name, maintenance mode, and its end."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from broker.addons.destroy import destroy_app_with_addons
from broker.addons.queries import list_addons
from broker.apps.change import ChangeApp, change_app
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, InvalidParams
from broker.oauth.sessions import SignedIn
from broker.web.app_pages import APPS, Deed, app_address, app_page, onward, shown, taken, the_app
from broker.web.app_vars import settings_of
from broker.web.browser import Form

router = APIRouter(include_in_schema=False)
_HERE: Final = APPS + "/apps/{app}/settings"


@router.get(_HERE)
async def settings(request: Request, app: str) -> Response:
    """Names of config vars, the app's name, its end."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _settings(request, seen, app, fault)

    return await shown(request, show)


@router.post(APPS + "/apps/{app}/rename")
async def rename(request: Request, app: str) -> Response:
    """Call it something else."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        view = await change_app(ctx, seen.actor, app, ChangeApp(name=sent.one("name").strip()))
        return onward(app_address(view.name, "settings"), "renamed")

    return await _take(request, app, deed)


@router.post(APPS + "/apps/{app}/maintenance")
async def maintain(request: Request, app: str) -> Response:
    """Switch maintenance mode."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        await change_app(ctx, seen.actor, app, ChangeApp(maintenance=sent.one("maintenance") == "on"))
        return "maintained"

    return await _take(request, app, deed)


@router.get(APPS + "/apps/{app}/destroy")
async def asked(request: Request, app: str) -> Response:
    """What is lost with it."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _question(request, seen, app, fault)

    return await shown(request, show)


@router.post(APPS + "/apps/{app}/destroy")
async def destroy(request: Request, app: str) -> Response:
    """Destroy it with its add-ons, if its name was typed."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        view = await the_app(request, seen, app)
        if sent.one("confirm").strip() != view.name:
            raise InvalidParams(f"Type {view.name} to confirm: its config vars and its add-ons' data are deleted.")
        await destroy_app_with_addons(ctx, seen.actor, str(view.id))
        return onward(APPS, "destroyed")

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _question(request, seen, app, fault)

    return await taken(request, deed, show, app_address(app, "destroy"))


async def _take(request: Request, app: str, deed: Deed) -> Response:
    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _settings(request, seen, app, fault)

    return await taken(request, deed, show, app_address(app, "settings"))


async def _settings(request: Request, seen: SignedIn, name: str, fault: BrokerError | None) -> Response:
    app = await the_app(request, seen, name)
    values = await settings_of(request, seen, app)
    return app_page(request, "app_settings.html", seen, app, "settings", fault, **values)


async def _question(request: Request, seen: SignedIn, name: str, fault: BrokerError | None) -> Response:
    app = await the_app(request, seen, name)
    everything = await list_addons(request.app.state.ctx, seen.actor, app.id)
    return app_page(
        request, "app_destroy.html", seen, app, "settings", fault,
        lost=[each for each in everything if each.app_id == app.id],
        kept=[each for each in everything if each.app_id != app.id],
    )  # fmt: skip
