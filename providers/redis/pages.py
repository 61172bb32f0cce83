"""The dashboard of one Redis resource: what it uses of its plan, and how to reach it. Shows no password."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from providers.kit.app import CurrentSession, KitOf
from providers.kit.dashboard import facts, meter, page, size
from providers.kit.service import Refused
from providers.kit.store import Resource
from providers.redis.console import ConsoleError, Figures
from providers.redis.keeper import Keeper
from providers.redis.plans import PLANS, Plan
from providers.redis.service import RedisService

pages = APIRouter()


@pages.get("/dashboard/{uuid}")
async def dashboard(uuid: str, request: Request, session: CurrentSession, kit: KitOf) -> HTMLResponse:
    service = kit.service
    assert isinstance(service, RedisService)
    resource = kit.store.get(session.uuid)
    keeper = service.keeper(session.uuid)
    if keeper is None:
        raise Refused("This Redis instance is not built yet. Please reload the page in a moment.", 503)
    body = await _state(keeper) + _about(resource, keeper) + Markup('<p><a href="">Reload</a></p>')
    return page(resource.name or f"Redis {uuid}", body, f"Redis, plan {resource.plan}")


async def _state(keeper: Keeper) -> Markup:
    if keeper.trouble:
        return Markup('<p class="warning">The instance is not running. {}</p>').format(keeper.trouble)
    try:
        figures = await keeper.instance.figures()
    except ConsoleError:
        return Markup(
            '<p class="warning">The instance runs, but gives no figures at the moment: '
            "a long script may keep it busy.</p>"
        )
    return _usage(figures, keeper.instance.blueprint.plan)


def _usage(figures: Figures, plan: Plan) -> Markup:
    memory = f"{size(figures.used_bytes)} of {size(plan.memory_bytes)}"
    clients = f"{figures.clients} of {plan.clients}"
    uptime = timedelta(seconds=figures.uptime_s)
    return (
        Markup("<h2>Use</h2>")
        + meter("Memory", figures.used_bytes, plan.memory_bytes, memory)
        + meter("Connections", figures.clients, plan.clients, clients)
        + facts([("Keys", f"{figures.keys:,}"), ("Running for", str(uptime))])
    )


def _about(resource: Resource, keeper: Keeper) -> Markup:
    blueprint = keeper.instance.blueprint
    plan = PLANS[resource.plan]
    kept = "written to disk every second" if plan.persistent else "none: the keys live as long as the process"
    return Markup("<h2>Instance</h2>") + facts(
        [
            ("Plan", f"{plan.name} ({plan.summary})"),
            ("Persistence", kept),
            ("When memory is full", blueprint.eviction),
            ("Port", blueprint.port),
            ("Unexpected restarts", keeper.restarts),
            ("Created", resource.created_at.strftime("%Y-%m-%d %H:%M UTC")),
        ]
    )
