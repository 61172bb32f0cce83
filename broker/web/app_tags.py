"""The tags of an app, by which its costs are sorted. Those of the whole account are on the page of spending."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from broker.apps.tags import change_app_tags
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError
from broker.oauth.sessions import SignedIn
from broker.web.app_pages import APPS, app_address, app_page, taken, the_app
from broker.web.app_vars import settings_of
from broker.web.browser import Form
from broker.web.tag_form import tag_changes, wanted_tag

router = APIRouter(include_in_schema=False)


@router.post(APPS + "/apps/{app}/tags")
async def change(request: Request, app: str) -> Response:
    """Set some, remove some."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        await change_app_tags(ctx, seen.actor, app, tag_changes(sent))
        return "tags"

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        view = await the_app(request, seen, app)
        values = await settings_of(request, seen, view) | {"wanted": wanted_tag(sent)}
        return app_page(request, "app_settings.html", seen, view, "settings", fault, **values)

    return await taken(request, deed, show, app_address(app, "settings"))
