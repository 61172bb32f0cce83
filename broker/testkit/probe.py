"""What the checks work with: calls to the provider, the resources made so far, and their removal."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any, Final
from uuid import UUID, uuid4

import httpx

from broker.testkit import bodies, connect
from broker.testkit.exchange import Exchange, Request
from broker.testkit.expectations import Expectations, Expected
from broker.testkit.redact import Redactor
from broker.testkit.results import Failed, Skipped, Verdict
from broker.testkit.subject import Subject
from broker.testkit.transport import exchanged, new_client, redirect_within

_MOST_REDIRECTS: Final = 5
_REMOVAL_TRIES: Final = 3


class Own(Enum):
    """Stands for the credentials of the manifest."""

    CREDENTIALS = "own"


OWN: Final = Own.CREDENTIALS
Auth = tuple[str, str] | Own | None
"""User and password of HTTP Basic; None sends nothing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Units: seconds. `timeout_s` bounds each answer and each wait for the end of something accepted with 202."""

    timeout_s: float = 60.0
    good_s: float = 3.0
    most_s: float = 25.0
    pause_s: float = 0.5


class NoAnswer(Failed):
    """The call had no answer; for what it asked, that is a failure."""


@dataclass
class Resource:
    """One thing asked of the provider. `may_exist` until the provider says that it is gone."""

    expected: Expected
    plan: str
    exchange: Exchange | None = None
    """The first answer that granted it."""
    last: Exchange | None = None
    may_exist: bool = False
    doubles: list[str] = field(default_factory=list)
    """Further ids that answers to the same request gave: more resources, as it seems."""
    trouble: Verdict | None = None
    ready_s: float | None = None
    """Seconds from the first request until it could be used."""

    @property
    def uuid(self) -> UUID:
        return self.expected.uuid

    @property
    def provider_id(self) -> str | None:
        return self.expected.provider_id

    @property
    def config(self) -> dict[str, Any]:
        """What it gave in its answer and by PATCH."""
        return {**(self.exchange.config if self.exchange else {}), **self.expected.config}


@dataclass
class Rotation:
    """Credentials that were changed, and what held before."""

    id: UUID
    old: dict[str, Any]
    new: dict[str, Any] = field(default_factory=dict)

    def changed(self) -> list[str]:
        return sorted(name for name, value in self.new.items() if value != self.old.get(name))


@dataclass
class Login:
    """A login of its own, and what was given for it."""

    id: UUID
    config: dict[str, Any] = field(default_factory=dict)


@dataclass
class Probe:
    """The broker's side of a test run. `origin` is where the provider may call back."""

    subject: Subject
    client: httpx.AsyncClient
    expectations: Expectations
    redactor: Redactor
    origin: str
    limits: Limits
    groups: frozenset[str]
    now: Callable[[], datetime]
    resources: list[Resource] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    recent: list[Exchange] = field(default_factory=list)
    """Those of the present check, for the report."""
    new_uuid: Callable[[], UUID] = uuid4
    """The next resource that is asked for."""
    try_address: Callable[[object], Awaitable[str | None]] = connect.complaint
    """Connects to an address in config; what is wrong with it, if anything is."""
    rotation: Rotation | None = None
    login: Login | None = None
    at_once: Sequence[tuple[Resource, Exchange]] | None = None
    """What was provisioned at the same time."""
    _main: Resource | None = None
    _sign_ons: int = 0

    def look_at(self, exchange: Exchange) -> Exchange:
        """An answer of an earlier check that the present one is about."""
        if exchange not in self.recent:
            self.recent.append(exchange)
        return exchange

    # -- calls ----------------------------------------------------------------------------------------------------------

    @property
    def own_auth(self) -> tuple[str, str]:
        manifest = self.subject.manifest
        return manifest.id, manifest.password.reveal()

    async def send(self, request: Request, client: httpx.AsyncClient | None = None) -> Exchange:
        """Send, note, give the answer.

        Raises: NoAnswer.
        """
        exchange = await exchanged(client or self.client, request, self.limits.timeout_s)
        self.redactor.learn_config(exchange.config)
        self.exchanges.append(exchange)
        self.recent.append(exchange)
        if exchange.lost is not None:
            raise NoAnswer(f"There was no answer: {exchange.lost}.")
        return exchange

    def new_resource(self, plan: str | None = None) -> Resource:
        """One that the provider was not asked for yet."""
        uuid = self.new_uuid()
        plan = plan or self.subject.plan
        expected = self.expectations.expect(uuid, f"test-kit-{secrets.token_hex(4)}", plan)
        resource = Resource(expected, plan)
        self.resources.append(resource)
        return resource

    async def provision(
        self,
        resource: Resource,
        *,
        auth: Auth = OWN,
        plan: str | None = None,
        **extra: Any,
    ) -> Exchange:
        """Ask for the resource, as often as you like."""
        body = bodies.provision(self.subject, resource.expected, plan or resource.plan, self.origin, self.now())
        resource.may_exist = True  # until an answer says otherwise: the call may be carried out although none comes
        exchange = await self._call("POST", self.subject.resources_url, {**body, **extra}, auth)
        resource.last = exchange
        resource.may_exist = exchange.ok or exchange.status >= 500 or resource.exchange is not None
        if exchange.ok:
            resource.exchange = resource.exchange or exchange
            resource.expected.provider_id = resource.expected.provider_id or exchange.provider_id
            if exchange.provider_id not in (None, resource.provider_id):
                resource.doubles.append(str(exchange.provider_id))
        return exchange

    async def change_plan(self, resource: Resource, plan: str, *, auth: Auth = OWN) -> Exchange:
        body = bodies.plan_change(self.subject, resource.expected, plan)
        return await self._call("PUT", self._url(resource), body, auth)

    async def delete(self, resource: Resource, *, auth: Auth = OWN, wait: bool = True) -> Exchange:
        """Ask for the removal; a 202 is followed until the provider says that it is done, or time is up."""
        exchange = await self._call("DELETE", self._url(resource), None, auth)
        done = exchange.status in (200, 204, 404, 410)
        if exchange.status == 202 and wait:
            done = await self.within(resource.expected.deprovisioned)
        if done:
            resource.may_exist = False
        return exchange

    async def act(self, resource: Resource, verb: str, rotation: UUID) -> Exchange:
        """`rotate` or `revoke`, extensions of ours."""
        resource.expected.patched.clear()
        return await self._call("POST", f"{self._url(resource)}/actions/{verb}", {"rotation": str(rotation)}, OWN)

    async def ask(self, resource: Resource) -> Exchange:
        """Which config holds now: part of the capability `rotate`."""
        return await self._call("GET", self._url(resource), None, OWN)

    async def make_login(self, resource: Resource, login: UUID) -> Exchange:
        """A further login, another extension of ours."""
        body = {"credential": str(login), "name": "test-kit", "permission": "read_write"}
        return await self._call("POST", f"{self._url(resource)}/credentials", body, OWN)

    async def remove_login(self, resource: Resource, login: UUID) -> Exchange:
        return await self._call("DELETE", f"{self._url(resource)}/credentials/{login}", None, OWN)

    async def list_resources(self) -> Exchange:
        return await self._call("GET", self.subject.resources_url, None, OWN)

    async def _call(self, method: str, url: str, body: dict[str, Any] | None, auth: Auth) -> Exchange:
        credentials = self.own_auth if isinstance(auth, Own) else auth
        content = None if body is None else json.dumps(body).encode()
        headers = bodies.headers(self.subject, has_body=content is not None)
        return await self.send(Request(method, url, credentials, headers, content))

    def _url(self, resource: Resource) -> str:
        return self.subject.resource_url(resource.uuid, resource.provider_id)

    async def within(self, event: asyncio.Event) -> bool:
        """Wait for what the provider does by itself; False when it does not in time."""
        try:
            async with asyncio.timeout(self.limits.timeout_s):
                return await event.wait()
        except TimeoutError:
            return False

    # -- the resource that most checks share ------------------------------------------------------------------------------

    async def first(self) -> Resource:
        """The main resource as it was first answered, whatever that was."""
        if self._main is None:
            self._main = self.new_resource()
            began = time.monotonic()
            try:
                exchange = await self.provision(self._main)
            except NoAnswer as failure:
                self._main.trouble = failure
            else:
                await self._finish(self._main, exchange)
                self._main.ready_s = None if self._main.trouble else time.monotonic() - began
        return self._main

    async def _finish(self, resource: Resource, exchange: Exchange) -> None:
        if exchange.status == 202 and not self.subject.is_v1 and not await self.within(resource.expected.provisioned):
            resource.trouble = Skipped("It was accepted with 202 and never finished: see the group async.")
        elif not exchange.ok:
            resource.trouble = Skipped("No resource could be provisioned: see the group provision.")

    async def main(self) -> Resource:
        """The main resource, for checks that need one in good order.

        Raises: Skipped when there is none; Failed if no other check of this run tells so.
        """
        resource = await self.first()
        if resource.trouble is None and resource.exchange is not None:
            return resource
        detail = resource.trouble.detail if resource.trouble else ""
        if not self.groups & {"provision", "async"}:
            raise Failed(f"No resource could be provisioned. {detail}".strip())
        raise Skipped(detail if isinstance(resource.trouble, Skipped) else "No resource could be provisioned.")

    async def listed(self) -> Resource:
        """The main resource of a provider that can list.

        Raises: Skipped.
        """
        if not self.subject.offers("list"):
            raise Skipped("The manifest does not have the capability list.")
        return await self.main()

    async def another(self, plan: str | None = None, **extra: Any) -> tuple[Resource, Exchange]:
        """A further resource, and how the provider answered; when it accepted with 202, it is done or time is up."""
        resource = self.new_resource(plan)
        exchange = await self.provision(resource, **extra)
        await self._finish(resource, exchange)
        return resource, exchange

    # -- a browser --------------------------------------------------------------------------------------------------------

    def next_timestamp(self) -> int:
        """A second in which nobody has signed on yet: the present one, then those before it."""
        self._sign_ons += 1
        return int(self.now().timestamp()) + 1 - self._sign_ons

    async def browse(self, request: Request, *, follow: bool = False) -> Exchange:
        """As a fresh browser: the answer, or with `follow` the page to which redirects within the origin lead."""
        async with new_client(request.url) as browser:
            exchange = await self.send(request, browser)
            for _ in range(_MOST_REDIRECTS if follow else 0):
                target = redirect_within(exchange, request.url)
                if target is None:
                    break
                exchange = await self.send(Request("GET", target), browser)
            return exchange

    # -- the end ----------------------------------------------------------------------------------------------------------

    async def remove_all(self) -> list[str]:
        """Delete what may still exist. Gives a line for each that could not be removed."""
        left = [resource for resource in self.resources if resource.may_exist]
        left += self._doubles()
        lines = await asyncio.gather(*(self._remove(resource) for resource in left))
        return [line for line in lines if line]

    def made_unasked(self, exchange: Exchange) -> None:
        """Remember for the removal what a request without a uuid has made; only v1 can delete it, by the given id."""
        if exchange.ok and exchange.provider_id is not None and self.subject.is_v1:
            self.new_resource().doubles.append(exchange.provider_id)

    def _doubles(self) -> list[Resource]:
        """What the oldest protocol can delete by its own id, having made it in answer to a repetition."""
        ids = [(one, double) for one in self.resources for double in one.doubles if self.subject.is_v1]
        return [Resource(replace(one.expected, provider_id=double), one.plan, may_exist=True) for one, double in ids]

    async def _remove(self, resource: Resource) -> str | None:
        if self.subject.is_v1 and resource.provider_id is None:
            return f"{resource.uuid} (plan {resource.plan}): its id is not known, because no answer told it"
        reason = ""
        for attempt in range(_REMOVAL_TRIES):
            if attempt:
                await asyncio.sleep(self.limits.pause_s)
            try:
                exchange = await self.delete(resource)
            except NoAnswer as failure:
                reason = failure.detail
                continue
            if not resource.may_exist:
                return None
            reason = f"DELETE answered {exchange.status}"
            if exchange.status == 202:
                break  # it was waited for already
        return f"{resource.uuid} (plan {resource.plan}): {reason}"
