"""A correct provider in memory, small enough to be made wrong in one place at a time. It speaks HTTP and nothing else.

Each method is one promise; those of `mutants` override them. With `later` it accepts with 202 and finishes by itself.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

PASSWORD = "manifest-password-0123456789"
SALT = "manifest-salt-0123456789abcdef"
SESSION = "shelf-session"
PLANS = ("mini", "maxi")


def manifest(origin: str, **changes: Any) -> dict[str, Any]:
    """The manifest of the shelf at an origin; a change to None leaves a field of `api` out."""
    api = {
        "version": "3",
        "password": PASSWORD,
        "sso_salt": SALT,
        "config_vars": ["SHELF_URL"],
        "regions": ["us", "eu"],
        "requires": ["many_per_app"],
        "production": {"base_url": f"{origin}/heroku/resources", "sso_url": f"{origin}/sso/login"},
        **changes,
    }
    return {
        "id": "shelf",
        "name": "Shelf",
        "api": {key: value for key, value in api.items() if value is not None},
        "capabilities": ["list", "rotate", "attachment_credentials"],
        "plans": [{"name": plan, "price_cents": 0, "default": plan == "mini"} for plan in PLANS],
    }


class Refusal(Exception):
    """An answer other than success."""

    def __init__(self, status: int, message: str | None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass
class Item:
    plan: str
    gone: bool = False
    generation: int = 0
    rotations: dict[str, int] = field(default_factory=dict)
    logins: set[str] = field(default_factory=set)


@dataclass
class Shelf:
    """The provider. Resources are sockets on the loopback that live as long as they should: see `Engine`."""

    later: bool = False
    items: dict[str, Item] = field(default_factory=dict)
    used_forms: set[tuple[str, str]] = field(default_factory=set)
    locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    callbacks: dict[str, httpx.URL] = field(default_factory=dict)
    tokens: dict[str, dict[str, str]] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    more: dict[str, set[str]] = field(default_factory=dict)
    """For mutants to keep what they like."""
    method: str = ""
    listener: asyncio.Server | None = None
    admitted: set[str] = field(default_factory=set)

    # -- the engine: a server that lets in who knows a resource that exists ---------------------------------------------

    async def open(self) -> None:
        self.listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self.listener:
            self.listener.close()
            await self.listener.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As much of the Redis protocol as a login and a PING need."""
        known = False
        try:
            while words := await _command(reader):
                name = words[0].upper()
                if name == "HELLO":
                    writer.write(b"-ERR unknown command\r\n")
                elif name == "AUTH":
                    known = words[-1] in self.admitted
                    writer.write(b"+OK\r\n" if known else b"-WRONGPASS invalid username-password pair\r\n")
                elif name == "PING" and not known:
                    writer.write(b"-NOAUTH Authentication required.\r\n")
                else:
                    writer.write(b"+PONG\r\n" if name == "PING" else b"+OK\r\n")
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def secret(self, uuid: str) -> str:
        """The newest password of a resource."""
        item = self.items.get(uuid)
        return self.password(uuid, item.generation if item else 0)

    def password(self, uuid: str, generation: int) -> str:
        return hmac.new(SALT.encode(), f"{uuid}:{generation}".encode(), "sha256").hexdigest()

    def config(self, uuid: str) -> Any:
        return {"SHELF_URL": self.address(self.secret(uuid))}

    def address(self, password: str) -> str:
        assert self.listener
        port = self.listener.sockets[0].getsockname()[1]
        return f"redis://:{password}@127.0.0.1:{port}"

    # -- the broker's calls -------------------------------------------------------------------------------------------

    def authenticate(self, user: str, password: str) -> None:
        if (user, password) != ("shelf", PASSWORD):
            raise Refusal(401, "Wrong credentials.")

    def lock(self, uuid: str) -> asyncio.Lock:
        return self.locks.setdefault(uuid, asyncio.Lock())

    async def provision(self, body: dict[str, Any]) -> Response:
        uuid = self.uuid_of(body)
        self.check_plan(str(body.get("plan")))
        async with self.lock(uuid):
            item = self.items.get(uuid)
            if item is not None and item.gone:
                return self.return_of(uuid, body)
            if item is None:
                await asyncio.sleep(0)
                self.items[uuid] = Item(str(body["plan"]))
                self.admitted.add(self.secret(uuid))
        if self.later:
            self.in_background(self.finish(uuid, body))
            return JSONResponse({"id": uuid, "message": "In a moment."}, 202)
        return self.provisioned(uuid)

    def uuid_of(self, body: dict[str, Any]) -> str:
        try:
            return str(UUID(body["uuid"]))
        except (KeyError, ValueError, TypeError):
            raise Refusal(422, "uuid is missing.") from None

    def check_plan(self, plan: str) -> None:
        if plan not in PLANS:
            raise Refusal(422, f"There is no plan {plan}.")

    def provisioned(self, uuid: str) -> Response:
        return JSONResponse({"id": uuid, "config": self.config(uuid), "message": "Enjoy."}, 201)

    def return_of(self, uuid: str, body: dict[str, Any]) -> Response:
        raise Refusal(410, "It was removed.")

    def in_background(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def finish(self, uuid: str, body: dict[str, Any]) -> None:
        """Exchange the grant with the parameters in the query, as Heroku's sample does, set config, say that it is done."""
        self.callbacks[uuid] = callback = httpx.URL(body["callback_url"])
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            answer = await client.post(callback.copy_with(path="/oauth/token"), params=self.grant(body))
            if answer.status_code != 200:
                return
            self.tokens[uuid] = {"authorization": f"Bearer {answer.json()['access_token']}"}
            for config in self.late_configs(uuid):
                pairs = [{"name": name, "value": value} for name, value in config.items()]
                await client.patch(f"{callback}/config", json={"config": pairs}, headers=self.tokens[uuid])
            await client.post(f"{callback}/actions/provision", headers=self.tokens[uuid])

    def late_configs(self, uuid: str) -> list[dict[str, str]]:
        """What is PATCHed, one after the other."""
        return [self.config(uuid)]

    async def end(self, uuid: str) -> None:
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            await client.post(f"{self.callbacks[uuid]}/actions/deprovision", headers=self.tokens[uuid])

    def grant(self, body: dict[str, Any]) -> dict[str, str]:
        return {
            "grant_type": "authorization_code",
            "code": body["oauth_grant"]["code"],
            "client_secret": "the-client-secret",
        }

    def known(self, uuid: str) -> Item:
        item = self.items.get(uuid)
        if item is None:
            raise Refusal(404, "There is no such resource.")
        if item.gone:
            raise Refusal(410, "It was removed.")
        return item

    async def change_plan(self, uuid: str, body: dict[str, Any]) -> Response:
        item = self.known(uuid)
        self.check_plan(str(body.get("plan")))
        item.plan = str(body["plan"])
        return JSONResponse({"config": self.config(uuid), "message": f"Now {item.plan}."})

    async def deprovision(self, uuid: str) -> Response:
        item = self.known(uuid)
        item.gone = True
        self.admitted -= {self.password(uuid, generation) for generation in range(item.generation + 1)}
        self.admitted -= {self.login_password(uuid, login) for login in item.logins}
        if uuid in self.tokens:
            self.in_background(self.end(uuid))
            return Response(status_code=202)
        return Response(status_code=204)

    async def rotate(self, uuid: str, rotation: str) -> Response:
        item = self.known(uuid)
        if rotation not in item.rotations:
            item.generation += 1
            item.rotations[rotation] = item.generation
            self.admitted.add(self.secret(uuid))
        return JSONResponse({"config": self.config(uuid)})

    async def revoke(self, uuid: str, rotation: str) -> Response:
        item = self.known(uuid)
        self.admitted -= {self.password(uuid, generation) for generation in range(item.rotations[rotation])}
        return Response(status_code=204)

    async def ask(self, uuid: str) -> Response:
        self.known(uuid)
        return JSONResponse({"config": self.config(uuid)})

    def login_password(self, uuid: str, login: str) -> str:
        return hmac.new(SALT.encode(), f"{uuid}:{login}".encode(), "sha256").hexdigest()

    async def make_login(self, uuid: str, login: str) -> Response:
        self.known(uuid).logins.add(login)
        self.admitted.add(self.login_password(uuid, login))
        return JSONResponse({"config": {"SHELF_URL": self.address(self.login_password(uuid, login))}}, 201)

    async def remove_login(self, uuid: str, login: str) -> Response:
        self.known(uuid).logins.discard(login)
        self.admitted.discard(self.login_password(uuid, login))
        return Response(status_code=204)

    async def list_resources(self) -> Response:
        there = [(uuid, item) for uuid, item in self.items.items() if not item.gone]
        return JSONResponse([{"id": uuid, "uuid": uuid, "plan": item.plan} for uuid, item in there])

    # -- the browser's calls ------------------------------------------------------------------------------------------

    async def sign_on(self, form: dict[str, str]) -> Response:
        uuid, timestamp = form.get("resource_id", ""), form.get("timestamp", "")
        self.known_to_browser(uuid)
        self.check_age(int(timestamp))
        self.check_token(form)
        self.check_first_use(uuid, timestamp)
        answer = RedirectResponse(f"/dashboard/{uuid}", 303)
        answer.set_cookie(SESSION, self.secret(uuid))
        return answer

    def known_to_browser(self, uuid: str) -> None:
        self.known(uuid)

    def check_age(self, timestamp: int) -> None:
        if not -60 <= time.time() - timestamp <= 300:
            raise Refusal(403, "The link has expired.")

    def check_token(self, form: dict[str, str]) -> None:
        text = f"{form['resource_id']}:{SALT}:{form['timestamp']}:{form.get('user_id')}:{form.get('email')}"
        self.compare(form, "user_scoped_resource_token", hashlib.sha256(text.encode()).hexdigest())

    def compare(self, form: dict[str, str], name: str, right: str) -> None:
        if not hmac.compare_digest(form.get(name, ""), right):
            raise Refusal(403, "The link is not valid.")

    def check_first_use(self, uuid: str, timestamp: str) -> None:
        if (uuid, timestamp) in self.used_forms:
            raise Refusal(403, "The link was used.")
        self.used_forms.add((uuid, timestamp))

    def dashboard(self, uuid: str, session: str) -> Response:
        if session != self.secret(uuid):
            raise Refusal(403, "Sign on first.")
        return Response("<h1>Shelf</h1>", media_type="text/html")

    # -- HTTP ---------------------------------------------------------------------------------------------------------

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/heroku/resources", self._resources, methods=["GET", "POST"]),
                Route("/heroku/resources/{uuid}", self._resource, methods=["GET", "PUT", "DELETE"]),
                Route("/heroku/resources/{uuid}/credentials", self._new_login, methods=["POST"]),
                Route("/heroku/resources/{uuid}/credentials/{login}", self._login, methods=["DELETE"]),
                Route("/heroku/resources/{uuid}/actions/{verb}", self._action, methods=["POST"]),
                Route("/sso/login", self._sso, methods=["POST"]),
                Route("/dashboard/{uuid}", self._dashboard),
            ],
            exception_handlers={Refusal: self._refused},
        )

    async def _resources(self, request: Request) -> Response:
        self.method = request.method
        self.authenticate(*_basic(request))
        if request.method == "GET":
            return await self.list_resources()
        return await self.provision(self.parse(await request.body()))

    async def _resource(self, request: Request) -> Response:
        self.method = request.method
        self.authenticate(*_basic(request))
        uuid = request.path_params["uuid"]
        if request.method == "DELETE":
            return await self.deprovision(uuid)
        if request.method == "GET":
            return await self.ask(uuid)
        return await self.change_plan(uuid, self.parse(await request.body()))

    async def _action(self, request: Request) -> Response:
        self.authenticate(*_basic(request))
        act = self.rotate if request.path_params["verb"] == "rotate" else self.revoke
        return await act(request.path_params["uuid"], self.parse(await request.body())["rotation"])

    async def _new_login(self, request: Request) -> Response:
        self.authenticate(*_basic(request))
        return await self.make_login(request.path_params["uuid"], self.parse(await request.body())["credential"])

    async def _login(self, request: Request) -> Response:
        self.authenticate(*_basic(request))
        return await self.remove_login(request.path_params["uuid"], request.path_params["login"])

    async def _sso(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        return await self.sign_on(form)

    async def _dashboard(self, request: Request) -> Response:
        return self.dashboard(request.path_params["uuid"], request.cookies.get(SESSION, ""))

    def parse(self, body: bytes) -> dict[str, Any]:
        try:
            data = json.loads(body)
        except ValueError:
            raise Refusal(400, "The body is not JSON.") from None
        if not isinstance(data, dict):
            raise Refusal(400, "The body is no object.")
        return data

    async def _refused(self, _: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return self.refusal(error.status, error.message)

    def refusal(self, status: int, message: str | None) -> Response:
        return JSONResponse({"message": message} if message else {}, status)


def _basic(request: Request) -> tuple[str, str]:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    user, _, password = base64.b64decode(given if kind.lower() == "basic" else "").decode().partition(":")
    return user, password


async def _command(reader: asyncio.StreamReader) -> list[str]:
    """A RESP array of bulk strings; empty at the end of the connection."""
    head = await reader.readline()
    if not head.startswith(b"*"):
        return []
    words = []
    for _ in range(int(head[1:])):
        size = int((await reader.readline())[1:])
        words.append((await reader.readexactly(size + 2))[:-2].decode())
    return words
