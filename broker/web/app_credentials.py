"""The credentials of an add-on: which ones work, changing them, ending the old ones; and logins of their own.

Values are in the answer to a form that asked for them, which is on record, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from broker.addons.acknowledge import acknowledge
from broker.addons.attach import AttachAddon, attach
from broker.addons.credentials import CAPABILITY as LENDS
from broker.addons.credentials import (
    DEFAULT,
    NAMESPACE,
    create_credential,
    destroy_credential,
    list_credentials,
    reveal_credential,
)
from broker.addons.models import Acknowledgement, AddonState, Permission, RotationState
from broker.addons.queries import AddonView, AttachmentView, list_attachments
from broker.addons.resolve import AddonKey, read_addon
from broker.addons.rotate import CAPABILITY as ROTATES
from broker.addons.rotate import rotate
from broker.addons.rotations import RotationView, end_overlap, get_credentials, list_rotations
from broker.apps.queries import list_apps
from broker.apps.visibility import Role
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, ConfirmationRequired, InvalidParams
from broker.kernel.secret import Secret
from broker.oauth.sessions import SignedIn
from broker.web.app_pages import APPS, Deed, app_address, app_page, onward, shown, taken, the_app
from broker.web.browser import Form
from broker.web.moments import day, minute

router = APIRouter(include_in_schema=False)
_HERE: Final = APPS + "/apps/{app}/addons/{addon}/credentials"
_MOST_SHOWN: Final = 10
_OVERLAPS: Final = {
    "usual": None,
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "none": timedelta(),
}
"""How long the old ones go on working at the most; None: as long as this installation says."""
_TAKEN: Final = {
    "broker run": "started with `broker run`",
    "webhook": "told by its webhook",
    "api": "somebody said so",
    "deadline": "nobody knows",
}
_STATES: Final = {
    RotationState.ISSUING: ("info", "Asked for"),
    RotationState.OVERLAP: ("warn", "Both work"),
    RotationState.REVOKING: ("warn", "The old ones are being ended"),
    RotationState.FINISHED: ("good", "Over"),
    RotationState.FAILED: ("bad", "Failed"),
}


@router.get(_HERE)
async def overview(request: Request, app: str, addon: str) -> Response:
    """What is known of them, without knowing them."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _credentials(request, seen, app, addon, fault, sent)

    return await shown(request, show)


@router.post(_HERE)
async def make(request: Request, app: str, addon: str) -> Response:
    """Have a login of its own made."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        try:
            permission = Permission(sent.one("permission"))
        except ValueError:
            raise InvalidParams("Say what it may do: read and write, or only read.") from None
        wait: timedelta = request.app.state.face.operation_wait
        name = sent.one("name").strip()
        view = await create_credential(ctx, seen.actor, AddonKey(addon, app), name, permission, wait=wait)
        return "login" if view.next_at is None else "loginasked"

    return await _take(request, app, addon, deed)


@router.post(_HERE + "/rotate")
async def change(request: Request, app: str, addon: str) -> Response:
    """Ask for new ones, and go where one can watch that."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        if sent.one("old") not in _OVERLAPS:
            raise InvalidParams("Say how long the old credentials go on working.")
        usual: timedelta = request.app.state.face.rotation_overlap
        overlap = _OVERLAPS[sent.one("old")]
        await rotate(ctx, seen.actor, AddonKey(addon, app), overlap=usual if overlap is None else overlap)
        return onward(app_address(app, "addons", addon))

    return await _take(request, app, addon, deed)


@router.post(_HERE + "/end")
async def end(request: Request, app: str, addon: str) -> Response:
    """Have the old ones withdrawn now."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        await end_overlap(ctx, seen.actor, AddonKey(addon, app))
        return "oldended"

    return await _take(request, app, addon, deed)


@router.post(_HERE + "/taken")
async def take(request: Request, app: str, addon: str) -> Response:
    """Somebody says that an app runs with its new release: it is waited for no longer."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        await acknowledge(ctx, seen.actor, sent.one("app"), sent.one("release"), Acknowledgement.API)
        return "taken"

    return await _take(request, app, addon, deed)


@router.post(_HERE + "/{name}/reveal")
async def reveal(request: Request, app: str, addon: str, name: str) -> Response:
    """The values of one. That they were read is on record."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        values = await reveal_credential(ctx, seen.actor, AddonKey(addon, app), name)
        return await _credentials(request, seen, app, addon, revealed=(name, values))

    return await _take(request, app, addon, deed)


@router.post(_HERE + "/{name}/remove")
async def remove(request: Request, app: str, addon: str, name: str) -> Response:
    """Have a login removed that nothing uses."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        await destroy_credential(ctx, seen.actor, AddonKey(addon, app), name)
        return "loginremoved"

    return await _take(request, app, addon, deed)


@router.post(_HERE + "/{name}/attach")
async def use(request: Request, app: str, addon: str, name: str) -> Response:
    """Attach the add-on to an app by this login."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        found = await read_addon(ctx, seen.actor, AddonKey(addon, app))
        target, wanted = sent.one("to"), sent.one("as").strip() or None
        confirmed = target if sent.one("confirm") == "yes" else None
        await attach(ctx, seen.actor, AttachAddon(AddonKey(str(found.id)), target, wanted, confirmed, NAMESPACE + name))
        return "attached"

    return await _take(request, app, addon, deed)


async def _take(request: Request, app: str, addon: str, deed: Deed) -> Response:
    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _credentials(request, seen, app, addon, fault, sent)

    return await taken(request, deed, show, app_address(app, "addons", addon, "credentials"))


async def _credentials(
    request: Request,
    seen: SignedIn,
    app: str,
    key: str,
    fault: BrokerError | None = None,
    sent: Form | None = None,
    *,
    revealed: tuple[str, Mapping[str, Secret]] | None = None,
) -> Response:
    ctx: Context = request.app.state.ctx
    view, addon = await the_app(request, seen, app), await read_addon(ctx, seen.actor, AddonKey(key, app))
    named = AddonKey(str(addon.id))
    rotations = await list_rotations(ctx, seen.actor, named)
    facts, attachments = await get_credentials(ctx, seen.actor, named), await _attachments(ctx, seen, addon)
    return app_page(
        request,
        "app_credentials.html",
        seen,
        view,
        "resources",
        fault,
        addon=addon,
        may_change=view.role != Role.VIEWER and addon.app_id == view.id and addon.state is AddonState.PROVISIONED,
        can_rotate=ROTATES in addon.service.capabilities,
        can_lend=LENDS in addon.service.capabilities,
        generation=facts.generation,
        since=minute(facts.rotated_at),
        open_ones=[_open(each) for each in rotations if each.state in (RotationState.OVERLAP, RotationState.REVOKING)],
        is_issuing=any(each.state == RotationState.ISSUING for each in rotations),
        changed=_changed(attachments),
        usual=_spelt(request.app.state.face.rotation_overlap),
        rotations=[_past(each) for each in rotations[:_MOST_SHOWN]],
        logins=await list_credentials(ctx, seen.actor, named),
        targets=[each for each in await list_apps(ctx, seen.actor) if each.role != Role.VIEWER]
        if addon.service.supports_sharing
        else [view],
        day=day,
        default=DEFAULT,
        revealed=revealed and (revealed[0], _plain(revealed[1])),
        wanted={field: sent.one(field) if sent else "" for field in ("name", "permission", "to", "as")},
        to_confirm=isinstance(fault, ConfirmationRequired),
    )


async def _attachments(ctx: Context, seen: SignedIn, addon: AddonView) -> Sequence[AttachmentView]:
    return await list_attachments(ctx, seen.actor, addon_id=addon.id)


def _plain(values: Mapping[str, Secret]) -> dict[str, str]:
    return {name: value.reveal() for name, value in sorted(values.items())}


def _changed(attachments: Sequence[AttachmentView]) -> dict[str, list[str]]:
    """The config vars that get other values, by app: those of attachments without a login of their own."""
    found: dict[str, list[str]] = {}
    for each in attachments:
        if each.namespace is None:
            found.setdefault(each.app_name, []).extend(each.config_vars)
    return found


def _open(view: RotationView) -> dict[str, Any]:
    """A rotation whose old credentials still work."""
    return {
        "until": minute(view.revoke_at) if view.revoke_at else None,
        "is_ending": view.state == RotationState.REVOKING,
        "attempts": view.attempts,
        "answer": view.last_answer,
        "again": _moment(view.next_at),
        "apps": [
            {
                "name": each.app_name,
                "release": each.release_version,
                "at": _moment(each.acknowledged_at),
                "how": _TAKEN.get(each.how or "", each.how),
            }
            for each in view.apps
        ],
    }


def _past(view: RotationView) -> dict[str, Any]:
    colour, state = _STATES[RotationState(view.state)]
    by = "the provider" if view.by_provider else view.actor_email
    return {"generation": view.generation, "by": by, "at": minute(view.created_at), "colour": colour, "state": state}


def _moment(instant: datetime | None) -> str | None:
    return None if instant is None else minute(instant)


def _spelt(span: timedelta) -> str:
    """`2 hours`: as far as people count it."""
    minutes = int(span.total_seconds()) // 60
    for size, unit in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes >= size and minutes % size == 0:
            return f"{minutes // size} {unit}{'s' if minutes > size else ''}"
    return "no time"
