"""What all pages of the provider portal share: the service that they are about, its tabs, what is said after a form."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from fastapi import Request, Response

from broker.catalog.faults import ManifestFaults
from broker.catalog.listing import ListingView, get_listing
from broker.catalog.members import Role
from broker.faces.errors import status_of
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError
from broker.oauth.sessions import SignedIn
from broker.web import browser
from broker.web.pages import Flash, page

HERE: Final = "/provider"
MOST: Final = 50
"""Entries of a list on one page."""
_DONE: Final = {
    "pushed": "It is pushed, and published.",
    "same": "It is as it was: nothing was pushed.",
    "asked": "The operators are asked. What they decide is told here.",
    "canary": "The canary is set.",
    "sunset": "Its end is announced to everybody who has it.",
    "member": "They are a member in that role from now on.",
    "removed": "They are no member any more.",
    "now": "It is sent at once. Load the page again to see how it went.",
    "held": "Your program is left alone for the time being, since it has failed too often in a row. It is sent as soon as calls are"
    " tried again: Overview tells when.",
    "again": "It is sent once more. Load the page again to see how it went.",
    "removal": "Your program is asked at once to remove what may be left. Load the page again to see how it went.",
    "redelivered": "It is told once more. Load the page again to see how it went.",
}
"""What a page may say after a form of it: the address of the page names one of these, and can say nothing else."""


def provider_address(slug: str, *rest: str) -> str:
    """The page of a service, or of a part of it."""
    return "/".join([HERE, *(quote(part, safe="") for part in (slug, *rest))])


async def the_listing(request: Request, seen: SignedIn, slug: str) -> ListingView:
    """The service that a page is about, for its members.

    Raises: NotFound.
    """
    ctx: Context = request.app.state.ctx
    return await get_listing(ctx, seen.actor, slug)


def provider_page(
    request: Request,
    template: str,
    seen: SignedIn,
    listing: ListingView,
    tab: str,
    fault: BrokerError | None = None,
    **values: Any,
) -> Response:
    """A page of a service; `tab` is the part that it belongs to."""
    named: dict[str, Any] = {
        **frame(request, seen, fault),
        "service": listing.service,
        "listing": listing,
        "role": listing.role,
        "is_owner": listing.role is Role.OWNER,
        "is_admin": listing.role.reaches(Role.ADMIN),
        "at": provider_address(listing.service.slug),
        "tab": tab,
        **values,
    }
    return page(template, status_of(type(fault)) if fault else 200, seen=seen, place="provider", **named)


def frame(request: Request, seen: SignedIn, fault: BrokerError | None) -> dict[str, Any]:
    """What every page of the portal has: what is said above it, and what its forms carry back."""
    return {
        "flash": _said(request, fault),
        "faults": fault.faults if isinstance(fault, ManifestFaults) else [],
        "form_token": browser.form_token(request, seen),
    }


def _said(request: Request, fault: BrokerError | None) -> Flash | None:
    if isinstance(fault, ManifestFaults):
        count = len(fault.faults)
        return Flash("bad", f"The manifest has {count} fault{'' if count == 1 else 's'}; nothing was pushed.")
    if fault is not None:
        return Flash("bad", fault.message)
    text = _DONE.get(request.query_params.get("done", ""))
    return None if text is None else Flash("good", text)
