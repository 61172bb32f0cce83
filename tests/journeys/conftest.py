"""What the journeys share: an HTTP client of the platform, apps that are removed again, and a second account."""

import secrets
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from broker.accounts.seed import ensure_account
from broker.kernel.clock import SystemClock
from broker.kernel.context import Context
from broker.kernel.db import connect
from broker.kernel.secret import Secret
from broker.kernel.signals import Signals
from broker.kernel.vault import Vault
from broker.local.database import Database
from broker.local.home import Home
from tests.journeys import tools
from tests.platform import Platform

NewApp = Callable[[], str]


@dataclass(frozen=True)
class Api:
    """The Platform API as one account; every answer is checked and parsed."""

    http: httpx.Client

    def call(self, method: str, path: str, **body: Any) -> httpx.Response:
        return self.http.request(method, path, json=body or None)

    def get(self, path: str) -> Any:
        return self._checked(self.call("GET", path))

    def post(self, path: str, **body: Any) -> Any:
        return self._checked(self.call("POST", path, **body))

    def delete(self, path: str) -> Any:
        return self._checked(self.call("DELETE", path))

    def config(self, app: str) -> dict[str, str]:
        found: dict[str, str] = self.get(f"/apps/{app}/config-vars")
        return found

    def add(self, app: str, plan: str, **body: Any) -> str:
        """Create an add-on, which must be provisioned at once; its name."""
        made = self.post(f"/apps/{app}/addons", plan=plan, **body)
        assert made["state"] == "provisioned", made
        return str(made["name"])

    @staticmethod
    def _checked(answer: httpx.Response) -> Any:
        assert answer.is_success, f"{answer.request.method} {answer.request.url.path}: {answer.text}"
        return answer.json()


def api_client(url: str, token: str) -> Api:
    headers = {"authorization": f"Bearer {token}", "accept": "application/vnd.heroku+json; version=3"}
    return Api(httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=120))


@contextmanager
def apps_of(api: Api) -> Iterator[NewApp]:
    """Makes apps, and destroys them with all that is on them."""
    made: list[str] = []

    def new_app() -> str:
        made.append(f"journey-{uuid.uuid4().hex[:10]}")
        api.post("/apps", name=made[-1])
        return made[-1]

    yield new_app
    for name in made:
        answer = api.call("DELETE", f"/apps/{name}")
        assert answer.status_code in (200, 404), answer.text


@pytest.fixture(scope="session")
def heroku_program() -> Path:
    """The Heroku CLI. First among the arguments of its users, so that nothing is started for tests that are skipped."""
    return tools.heroku_cli()


@pytest.fixture(scope="session")
def heroku_client_folder() -> Path:
    """Where heroku-client is. First among the arguments, likewise."""
    return tools.heroku_client()


@pytest.fixture(scope="session")
def chromium_program() -> str:
    """A Chromium. First among the arguments, likewise."""
    return tools.chromium()


@pytest.fixture
def api(platform: Platform) -> Iterator[Api]:
    """The demo account."""
    client = api_client(platform.url, platform.token)
    with client.http:
        yield client


@pytest.fixture
def new_app(api: Api) -> Iterator[NewApp]:
    """Makes apps of this test alone."""
    with apps_of(api) as new:
        yield new


@pytest.fixture
def app(new_app: NewApp) -> str:
    """An app of this test alone."""
    return new_app()


@pytest_asyncio.fixture(scope="session")
async def strangers_token(platform: Platform, vault: Vault) -> AsyncIterator[str]:
    """The token of a second account, which shares nothing with the demo account."""
    token = "HRKU-" + secrets.token_urlsafe(32)
    url = Database(Home(platform.home)).url
    database = connect(url, pool_size=1, pool_timeout_s=10)
    context = Context(database, SystemClock(), vault, Signals(url))
    await ensure_account(context, "mallory@example.com", Secret(secrets.token_urlsafe(24)), Secret(token))
    yield token
    await database.close()


@pytest.fixture
def stranger(platform: Platform, strangers_token: str) -> Iterator[Api]:
    """Somebody else's client."""
    client = api_client(platform.url, strangers_token)
    with client.http:
        yield client


@pytest.fixture
def strangers_app(stranger: Api) -> Iterator[str]:
    """Somebody else's app."""
    with apps_of(stranger) as new:
        yield new()
