"""The manifest of a service: its versions and what each changed, and pushing another one from a form, tried out first."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request, Response

from broker.catalog.comparison import compare_versions
from broker.catalog.faults import Fault, ManifestFaults
from broker.catalog.manifest import Manifest
from broker.catalog.push import Checked, check_push, push_manifest
from broker.catalog.versions import list_versions
from broker.faces.errors import status_of
from broker.kernel.context import SYSTEM, Context
from broker.kernel.errors import BrokerError
from broker.kernel.money import Money
from broker.oauth.sessions import SignedIn
from broker.web.app_pages import onward, shown, taken
from broker.web.browser import Form
from broker.web.markdown import rendered
from broker.web.moments import moment
from broker.web.pages import page
from broker.web.provider_home import show_services
from broker.web.provider_pages import HERE, frame, provider_address, provider_page, the_listing

router = APIRouter(include_in_schema=False)
_MOST_VERSIONS = 50


@router.post(HERE)
async def register(request: Request) -> Response:
    """The first push of a manifest, which makes a service; its client secret is shown this once."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        contents = _read(sent)
        slug = contents.get("id") if isinstance(contents, dict) else None
        if not isinstance(slug, str):
            raise ManifestFaults([Fault("/id", "is missing: add the slug that users will type, such as redis.")])
        pushed = await push_manifest(ctx, seen.actor, slug, contents, networks=request.app.state.provider_networks)
        if pushed.client_secret is None:
            return onward(provider_address(slug, "manifest"), "pushed" if pushed.changed else "same")
        secrets = [("Client secret", pushed.client_secret.reveal())]
        at, said = provider_address(slug), frame(request, seen, None)
        return page("provider_secret.html", seen=seen, place="provider", slug=slug, at=at, secrets=secrets, **said)

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        status = status_of(type(fault)) if fault else 200
        return await show_services(request, seen, fault, sent.one("contents") if sent else "", status)

    return await taken(request, deed, show, HERE)


@router.get(HERE + "/{slug}/manifest")
async def manifest(request: Request, slug: str) -> Response:
    """One version, the newest if none is named, and how it differs from the one before."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _manifest(request, seen, slug)

    return await shown(request, show)


@router.post(HERE + "/{slug}/manifest")
async def push(request: Request, slug: str) -> Response:
    """Try a manifest out, or push it."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response | str:
        contents, networks = _read(sent), request.app.state.provider_networks
        await the_listing(request, seen, slug)
        if sent.one("decision") != "push":
            tried = await check_push(ctx, seen.actor, slug, contents, networks=networks)
            return await _manifest(request, seen, slug, None, sent, tried)
        return "pushed" if (await push_manifest(ctx, seen.actor, slug, contents, networks=networks)).changed else "same"

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _manifest(request, seen, slug, fault, sent)

    return await taken(request, deed, show, provider_address(slug, "manifest"))


def _read(sent: Form) -> object:
    """What was sent as JSON.

    Raises: ManifestFaults.
    """
    try:
        return json.loads(sent.one("contents"))
    except (ValueError, RecursionError) as error:
        place = f"line {error.lineno}, column {error.colno}: " if isinstance(error, json.JSONDecodeError) else ""
        raise ManifestFaults([Fault("", f"is no JSON ({place}look for a comma or a quotation mark).")]) from None


async def _manifest(
    request: Request,
    seen: SignedIn,
    slug: str,
    fault: BrokerError | None = None,
    sent: Form | None = None,
    tried: Checked | None = None,
) -> Response:
    ctx: Context = request.app.state.ctx
    listing = await the_listing(request, seen, slug)
    query = request.query_params
    key, against = (None, None) if sent else (query.get("version"), query.get("against"))
    compared = await compare_versions(ctx, seen.actor, slug, key or None, against or None)
    versions = await list_versions(ctx, seen.actor, slug)
    text = _written(compared.contents) if compared else ""
    return provider_page(
        request,
        "provider_manifest.html",
        seen,
        listing,
        "manifest",
        fault,
        compared=compared,
        pushed_by=_who(compared.version.pushed_by) if compared else None,
        pushed_at=moment(compared.version.created_at) if compared else None,
        is_newest=compared is None or compared.version.revision == versions[0].revision,
        versions=[
            {"of": each, "at": moment(each.created_at), "by": _who(each.pushed_by)}
            for each in versions[:_MOST_VERSIONS]
        ],
        text=text,
        typed=sent.one("contents") if sent else text,
        tried=tried,
        preview=await _preview(tried.manifest) if tried else None,
    )


def _who(email: str) -> str:
    return "the broker" if email == SYSTEM.email else email


def _written(contents: dict[str, Any]) -> str:
    return json.dumps(contents, indent=2, ensure_ascii=False)


async def _preview(made: Manifest) -> dict[str, Any]:
    """What the listing would show of it."""
    return {
        "of": made,
        "description": await rendered(made.listing.description or ""),
        "plans": [{"of": plan, "price": Money(plan.price_cents, plan.currency)} for plan in made.plans],
    }
