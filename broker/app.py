"""The HTTP application: routers, middleware, error handlers. No logic; `server.py` runs it."""

from __future__ import annotations

from datetime import timedelta
from importlib.metadata import version
from typing import Any, Final
from uuid import UUID

from fastapi import FastAPI, Request
from sqlalchemy import text

from broker.accounts.login import LoginThrottle
from broker.addons.backlog import Backlog
from broker.faces import errors, signpost
from broker.faces.answers import Answer
from broker.faces.reading import Bounds
from broker.kernel.context import Actor, Context
from broker.kernel.places import Places
from broker.oauth_api import routes as oauth_routes
from broker.partner_api import routes as partner_routes
from broker.partner_api.face import ByToken, partner_face
from broker.payments.ports import ReadNews
from broker.platform_api import routes
from broker.platform_api.deps import Face
from broker.platform_api.document import DescribedApp
from broker.platform_api.edge import Edge
from broker.platform_api.rates import RateLimits
from broker.settings import Settings
from broker.settings import described as described_settings
from broker.web import routes as pages
from broker.web import sso
from broker.web.explained import explained

_SUMMARY: Final = "The Platform API of an add-on marketplace, as Heroku's clients speak it."


def create_app(ctx: Context, settings: Settings, read_news: ReadNews | None = None) -> FastAPI:
    """The application on a context. It holds no state but counters; any number may run on one database.

    `read_news` reads the webhooks of the payment gateway, if there is one.
    """
    app = described()
    rates = RateLimits(settings.rate_limit_per_hour)
    edge: dict[str, Any] = {"rates": rates, "places": Places(settings.max_requests), "clock": ctx.clock}
    edge["is_https"] = settings.public_url.startswith("https:")
    app.state.ctx = ctx
    app.state.face = _face(ctx, settings, rates, read_news)
    app.state.bounds = Bounds(settings.request_limit_bytes, timedelta(seconds=settings.client_timeout_s))
    app.state.public_url = settings.public_url
    app.state.sign_up = settings.sign_up
    app.state.settings = described_settings(settings)
    app.state.manifest_throttle = LoginThrottle("manifest's id")
    app.state.provider_networks = settings.outbound_allow
    errors.install(app)
    routes.install(app)
    oauth_routes.install(app)
    partner_routes.install(app)
    pages.install(app)
    app.add_api_route("/health", _health, include_in_schema=False)
    signpost.put_up(app)
    partners = partner_face(ctx, settings.public_url, app.state.bounds)
    app.add_middleware(Edge, **edge, explain=explained)
    partners.add_middleware(Edge, **edge)
    app.add_middleware(ByToken, partners=partners)
    app.state.partners = partners
    partners.state.provider_networks = settings.outbound_allow
    return app


def described() -> DescribedApp:
    """The application without any router. The framework's pages about it run scripts of another host, where sessions are."""
    return DescribedApp(
        title="Addon Broker",
        version=version("addon-broker"),
        summary=_SUMMARY,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )


def _face(ctx: Context, settings: Settings, rates: RateLimits, read_news: ReadNews | None) -> Face:
    def sign_on_url(actor: Actor, addon_id: UUID, app_id: UUID, path: str = "") -> str:
        return sso.sign_on_url(ctx, settings.public_url, actor, addon_id, app_id, settings.sso_link_ttl_s, path)

    return Face(
        ctx=ctx,
        public_url=settings.public_url,
        sign_on_url=sign_on_url,
        operation_wait=timedelta(seconds=settings.operation_wait_s),
        token_life=timedelta(seconds=settings.token_ttl_s),
        request_limit_bytes=settings.request_limit_bytes,
        client_timeout=timedelta(seconds=settings.client_timeout_s),
        backlog=Backlog(ctx, settings.max_unfinished),
        rates=rates,
        throttle=LoginThrottle(),
        rotation_overlap=timedelta(seconds=settings.rotation_overlap_s),
        kit_keys=settings.kit_keys,
        payment_news=None if read_news is None else (settings.payment_gateway, read_news),
    )


async def _health(request: Request) -> Answer:
    """Whether the process answers and reaches its database."""
    ctx: Context = request.app.state.ctx
    async with ctx.database.transaction() as tx:
        await tx.execute(text("select 1"))
    return Answer({"status": "ok"})
