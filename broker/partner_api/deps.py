"""What endpoints for providers are given: who asks, by token or by the manifest's id and password."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, cast

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from broker.accounts.login import LoginThrottle
from broker.addons.partner import Partner, authenticate_partner
from broker.catalog.manifest_auth import AuthenticatedService, authenticate_service
from broker.faces.credentials import Credentials
from broker.faces.errors import refusal
from broker.kernel.context import Context
from broker.kernel.errors import Unauthorized


def ctx_of(request: Request) -> Context:
    """The context of the application that answers."""
    return cast("Context", request.app.state.ctx)


async def current_partner(request: Request) -> Partner:
    """The provider behind an access token.

    Raises: Unauthorized.
    """
    credentials: Credentials = request.state.credentials
    partner = await authenticate_partner(ctx_of(request), credentials.secret)
    request.state.vouch()
    return partner


async def current_service(request: Request) -> AuthenticatedService:
    """The service behind the manifest's id and password. Guessing is braked per id and address, so that whoever guesses
    shuts nobody else out.

    Raises: Unauthorized, RateLimited.
    """
    credentials: Credentials | None = request.state.credentials
    if credentials is None or not credentials.user:
        raise Unauthorized("Send the manifest's id and password, as Basic authentication.")
    throttle: LoginThrottle = request.app.state.manifest_throttle
    ctx = ctx_of(request)
    who = f"{credentials.user} from {request.client.host if request.client else ''}"
    throttle.check(who, ctx.clock.now())
    try:
        service = await authenticate_service(ctx, credentials.user, credentials.secret)
    except Unauthorized:
        throttle.failed(who, ctx.clock.now())  # after the check: a provider may well ask many times at once
        raise
    request.state.vouch()
    return service


class ByPassword(APIRoute):
    """A route for the manifest's id and password. Many programs send them only when they are asked for in this way."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def answer_or_ask(request: Request) -> Response:
            try:
                return await answer(request)
            except Unauthorized as error:
                asking = refusal(error)
                asking.headers["www-authenticate"] = 'Basic realm="manifest"'
                return asking

        return answer_or_ask


CurrentPartner = Annotated[Partner, Depends(current_partner)]
CurrentService = Annotated[AuthenticatedService, Depends(current_service)]
