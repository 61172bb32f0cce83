"""Whether passkeys can be used on a page: they belong to a host name, and a page that is reached by a number has none."""

from __future__ import annotations

from fastapi import Request

from broker.accounts.passkeys import Site


def site_of(request: Request) -> Site | None:
    """What passkeys are bound to; None where there is no name."""
    return Site.of(request.app.state.face.public_url)


def usable_site(request: Request) -> Site | None:
    """The same for a page that is reached by that name. An installation on this machine may be reached by the number, too."""
    site = site_of(request)
    if site is None or site.origin == request.app.state.face.public_url:
        return site
    return site if request.url.hostname == site.name else None
