"""Who works on a service, and the secrets that its provider needs: new ones are shown once, to whoever has just proved who it is."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from broker.catalog.client_secrets import rotate_client_secret
from broker.catalog.members import Role, list_members, remove_member, set_member
from broker.catalog.push import rotate_secrets
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, InvalidParams
from broker.oauth.sessions import SignedIn
from broker.web.app_pages import shown, taken
from broker.web.browser import Form
from broker.web.inside import needs_proof
from broker.web.moments import day
from broker.web.provider_pages import HERE, provider_address, provider_page, the_listing

router = APIRouter(include_in_schema=False)
_HERE = HERE + "/{slug}/access"


@router.get(_HERE)
async def access(request: Request, slug: str) -> Response:
    """The members, and the forms for new secrets."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _access(request, seen, slug)

    return await shown(request, show)


@router.post(HERE + "/{slug}/members")
async def add(request: Request, slug: str) -> Response:
    """Make somebody a member, or give a member another role."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        wanted = sent.one("role")
        if wanted not in tuple(Role):
            raise InvalidParams(f"role: must be one of {', '.join(Role)}.")
        await set_member(ctx, seen.actor, slug, sent.one("email").strip(), Role(wanted))
        return "member"

    return await _taken(request, slug, deed)


@router.post(HERE + "/{slug}/members/remove")
async def remove(request: Request, slug: str) -> Response:
    """End a membership."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        await remove_member(ctx, seen.actor, slug, sent.one("email"))
        return "removed"

    return await _taken(request, slug, deed)


@router.post(HERE + "/{slug}/client-secret")
async def new_client_secret(request: Request, slug: str) -> Response:
    """A new client secret, shown this once."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        listing = await the_listing(request, seen, slug)
        if (proof := needs_proof(request, seen, provider_address(slug, "access"))) is not None:
            return proof
        fresh = await rotate_client_secret(ctx, seen.actor, slug, immediate=sent.one("immediate") == "yes")
        return _secret(request, seen, listing, [("Client secret", fresh.reveal())])

    return await _taken(request, slug, deed)


@router.post(HERE + "/{slug}/password")
async def new_password(request: Request, slug: str) -> Response:
    """A new password and salt, as a version of the manifest of their own."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        listing = await the_listing(request, seen, slug)
        if (proof := needs_proof(request, seen, provider_address(slug, "access"))) is not None:
            return proof
        api = (await rotate_secrets(ctx, seen.actor, slug, immediate=sent.one("immediate") == "yes")).contents["api"]
        names = {"password": "Password", "sso_salt": "SSO salt"}
        return _secret(request, seen, listing, [(title, api[name]) for name, title in names.items() if api.get(name)])

    return await _taken(request, slug, deed)


def _secret(request: Request, seen: SignedIn, listing: Any, secrets: list[tuple[str, str]]) -> Response:
    slug = listing.service.slug
    return provider_page(request, "provider_secret.html", seen, listing, "access", slug=slug, secrets=secrets)


async def _taken(request: Request, slug: str, deed: Any) -> Response:
    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _access(request, seen, slug, fault, sent)

    return await taken(request, deed, show, provider_address(slug, "access"))


async def _access(
    request: Request, seen: SignedIn, slug: str, fault: BrokerError | None = None, sent: Form | None = None
) -> Response:
    ctx: Context = request.app.state.ctx
    listing = await the_listing(request, seen, slug)
    members = await list_members(ctx, seen.actor, slug)
    return provider_page(
        request,
        "provider_access.html",
        seen,
        listing,
        "access",
        fault,
        members=[{"of": each, "since": day(each.since)} for each in members],
        roles=list(Role),
        email=sent.one("email") if sent and fault else "",
    )
