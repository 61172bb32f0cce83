"""The pages behind single sign-on: how full the database is, and how to reach it."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from providers.kit.app import CurrentSession
from providers.kit.dashboard import facts, meter, page, size
from providers.kit.store import Resource, ResourceStore
from providers.postgres import plans, tenants
from providers.postgres.plans import Plan
from providers.postgres.quota import Locked
from providers.postgres.server import server_faults
from providers.postgres.service import PostgresService
from providers.postgres.tenants import Table, Usage

OVER = Markup(
    '<p class="warning"><strong>The database is over its size.</strong> It can be read, and rows can be deleted. '
    "Once it is below its size, which may take a moment after the deletion, it can be written again; "
    "or change to a bigger plan.</p>"
)
CLOSED = Markup(
    '<p class="warning"><strong>The database is closed.</strong> It kept growing over its size. '
    "Change to a bigger plan to open it again.</p>"
)


@dataclass(frozen=True)
class View:
    """What the page shows."""

    resource: Resource
    plan: Plan
    usage: Usage
    tables: list[Table]
    host: str
    port: int
    database: str
    user: str


def dashboard_pages(service: PostgresService, store: ResourceStore) -> APIRouter:
    """The dashboard's routes."""
    router = APIRouter()

    @router.get("/dashboard/{uuid}")
    async def overview(session: CurrentSession) -> HTMLResponse:
        resource = store.get(session.uuid)
        names, (host, port) = service.names(resource), service.server.address()
        with server_faults():
            usage = await tenants.usage(service.server, names.database)
            tables = await tenants.largest_tables(service.server, names)
        plan = plans.find(resource.plan)
        view = View(resource, plan, usage, tables, host, port, names.database, names.credential)
        return page(
            resource.name or "PostgreSQL database", _body(view), f"Signed on as {session.user.email or 'a guest'}"
        )

    return router


def _body(view: View) -> Markup:
    locked = Locked.of(view.resource)
    warning = Markup("") if locked is None else CLOSED if locked.closed else OVER
    parts = (warning, _use(view), _connect(view), _tables(view.tables))
    return Markup("\n").join(parts)


def _use(view: View) -> Markup:
    used, limits = view.usage, view.plan
    return Markup("<section><h2>Use</h2>{}{}{}</section>").format(
        meter("Size", used.size, limits.size, f"{size(used.size)} of {size(limits.size)}"),
        meter("Connections", used.connections, limits.connections, f"{used.connections} of {limits.connections}"),
        facts(
            [("Plan", limits.slug), ("Statement timeout", f"{limits.statement_timeout_s} s, unless a session sets it")]
        ),
    )


def _connect(view: View) -> Markup:
    return Markup(
        "<section><h2>Connect</h2><p>The whole address with its password is in the config vars of the app. "
        'With it in the environment:</p><pre><code>psql "$DATABASE_URL"</code></pre>{}</section>'
    ).format(facts([("Host", view.host), ("Port", view.port), ("Database", view.database), ("User", view.user)]))


def _tables(tables: list[Table]) -> Markup:
    if not tables:
        return Markup("<section><h2>Largest tables</h2><p>There are no tables yet.</p></section>")
    rows = Markup("").join(Markup("<tr><td>{}</td><td>{}</td></tr>").format(one.name, size(one.size)) for one in tables)
    return Markup(
        "<section><h2>Largest tables</h2><table><thead><tr><th scope='col'>Table</th><th scope='col'>Size</th></tr>"
        "</thead><tbody>{}</tbody></table></section>"
    ).format(rows)
