"""A marketplace for one provider, to click through: provision, change plans, sign on, remove, and see every call.

For the one developer at this machine: loopback only, no login, state in memory. Works without JavaScript.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from jinja2 import Environment
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from broker.kernel.ids import as_uuid
from broker.testkit import tokens
from broker.testkit.callbacks import Callbacks
from broker.testkit.exchange import Exchange
from broker.testkit.page import environment
from broker.testkit.probe import NoAnswer, Probe, Resource

_MOST_CALLS: Final = 100
_LARGEST_FORM: Final = 10_000
PEOPLE: Final = {"ada": tokens.ADA, "mallory": tokens.MALLORY}

Action = Callable[[Resource, dict[str, str]], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class _Shown:
    """A resource as the page shows it."""

    uuid: str
    name: str
    plan: str
    state: str
    message: str | None
    config: list[tuple[str, str]]


class Marketplace:
    """The pages. `probe` makes the calls and keeps the resources."""

    def __init__(self, probe: Probe, callbacks: Callbacks) -> None:
        self._probe = probe
        self._callbacks = callbacks
        self._token = secrets.token_urlsafe(24)
        self._last_sign_on = 0
        self._templates: Environment = environment()
        self._style = self._templates.get_template("style.css").render()

    def app(self) -> ASGIApp:
        """The application: the pages, and what the provider calls."""
        pages = [
            Route("/", self._front, methods=["GET"]),
            Route("/provision", self._provision, methods=["POST"]),
            self._act("plan", self._change_plan),
            self._act("again", self._repeat),
            self._act("delete", self._delete),
            self._act("open", self._open),
        ]
        app = Starlette(routes=[*pages, *self._callbacks.routes()])
        return _OwnHostOnly(app, self._probe.origin)

    # -- what is done -----------------------------------------------------------------------------------------------------

    async def _provision(self, request: Request) -> Response:
        form = await self._form(request)
        if form is None:
            return self._refused()
        resource = self._probe.new_resource(form.get("plan") or None)
        return await self._then_home(self._probe.provision(resource))

    async def _change_plan(self, resource: Resource, form: dict[str, str]) -> Response:
        plan = form.get("plan", "")

        async def change() -> None:
            if (await self._probe.change_plan(resource, plan)).ok:
                resource.plan = resource.expected.plan = plan

        return await self._then_home(change())

    async def _repeat(self, resource: Resource, _: dict[str, str]) -> Response:
        return await self._then_home(self._probe.provision(resource))

    async def _delete(self, resource: Resource, _: dict[str, str]) -> Response:
        return await self._then_home(self._probe.delete(resource, wait=False))

    async def _open(self, resource: Resource, form: dict[str, str]) -> Response:
        """A page whose form signs on at the provider, or for the oldest style the link itself."""
        person = PEOPLE.get(form.get("person", ""), tokens.ADA)
        self._last_sign_on = max(self._last_sign_on + 1, int(self._probe.now().timestamp()))
        provider_id = resource.provider_id or str(resource.uuid)
        fields = tokens.form(self._probe.subject, provider_id, resource.uuid, self._last_sign_on, person)
        request = tokens.request(self._probe.subject, fields)
        if request.method == "GET":
            return RedirectResponse(request.url, 303)
        return self._page("sign_on.html", action=request.url, fields=fields, person=person)

    async def _then_home(self, work: Awaitable[object]) -> Response:
        with contextlib.suppress(NoAnswer):  # the list of calls on the page shows it
            await work
        return RedirectResponse("/", 303)

    def _act(self, verb: str, action: Action) -> Route:
        async def endpoint(request: Request) -> Response:
            form = await self._form(request)
            uuid = as_uuid(request.path_params["uuid"])
            resource = next((one for one in self._probe.resources if one.uuid == uuid), None)
            if form is None or resource is None:
                return self._refused()
            return await action(resource, form)

        return Route(f"/resources/{{uuid}}/{verb}", endpoint, methods=["POST"])

    async def _form(self, request: Request) -> dict[str, str] | None:
        """The fields, None unless they come from a page of ours: other sites cannot read its token."""
        if int(request.headers.get("content-length", "0") or 0) > _LARGEST_FORM:
            return None
        form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
        return form if hmac.compare_digest(form.get("form_token", "").encode(), self._token.encode()) else None

    def _refused(self) -> Response:
        return self._page("refused.html", status=403)

    # -- what is shown ----------------------------------------------------------------------------------------------------

    async def _front(self, _: Request) -> Response:
        subject = self._probe.subject
        resources = [self._shown(one) for one in reversed(self._probe.resources) if one.last or one.may_exist]
        return self._page(
            "marketplace.html",
            service=subject.manifest,
            address=subject.resources_url,
            has_dashboard=bool(subject.sso_url and subject.manifest.sso_salt),
            resources=resources,
            waiting=any(one.state in ("provisioning", "deprovisioning") for one in resources),
            calls=[self._told(one) for one in reversed(self._probe.exchanges[-_MOST_CALLS:])],
            callbacks=self._probe.expectations.callbacks[: -_MOST_CALLS - 1 : -1],
            people=PEOPLE,
            form_token=self._token,
        )

    def _shown(self, resource: Resource) -> _Shown:
        config = [(str(name), str(value)) for name, value in resource.config.items()]
        message = resource.last.message if resource.last else None
        return _Shown(str(resource.uuid), resource.expected.name, resource.plan, state_of(resource), message, config)

    def _told(self, exchange: Exchange) -> tuple[str, str, str]:
        clean = self._probe.redactor.clean
        status = str(exchange.status) if exchange.lost is None else "no answer"
        path = urlsplit(exchange.request.url).path
        return f"{exchange.request.method} {path} → {status}", clean(str(exchange.request)), clean(exchange.answer())

    def _page(self, name: str, *, status: int = 200, **values: object) -> Response:
        html = self._templates.get_template(name).render(style=self._style, **values)
        sso = urlsplit(self._probe.subject.sso_url or "")
        target = f" {sso.scheme}://{sso.netloc}" if sso.netloc else ""
        digest = base64.b64encode(hashlib.sha256(f"\n{self._style}\n".encode()).digest()).decode()
        policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'{target}; base-uri 'none'; "
            "frame-ancestors 'none'"
        )
        headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
        # What a provider said may hold half of a character.
        return HTMLResponse(html.encode("utf-8", errors="backslashreplace"), status, headers)


def state_of(resource: Resource) -> str:
    """In the broker's words, for what the provider has said so far."""
    if resource.expected.deprovisioned.is_set():
        resource.may_exist = False
    answers = resource.exchange
    if answers is None:
        return "refused" if resource.last and not resource.may_exist else "unknown"
    if not resource.may_exist:
        return "deprovisioned"
    if answers.status == 202 and not resource.expected.provisioned.is_set():
        return "provisioning"
    return "provisioned"


class _OwnHostOnly:
    """Answers only under its own address, so that no site can use it through a name that points here."""

    def __init__(self, app: ASGIApp, origin: str) -> None:
        self._app = app
        parts = urlsplit(origin)
        self._hosts = {parts.netloc.encode(), f"localhost:{parts.port}".encode()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = next((value for name, value in scope.get("headers", ()) if name == b"host"), b"")
        app = self._app if host.lower() in self._hosts else _MISDIRECTED
        await app(scope, receive, send)


_MISDIRECTED: Final = Response("This marketplace answers under its own address only.", 421)
