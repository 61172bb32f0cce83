"""A real marketplace in a process of its own, in which the programs here are listed, and each program in its process.

All is set up as an operator would: manifests in files, client secrets by the API.
"""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from embedded.processes import LOOPBACK, free_port
from tests.engines import new_database

ROOT = Path(__file__).resolve().parents[3]
STYLES = ("inside", "query", "html", "keeper", "legacy", "root", "careless")
PASSWORD = "manifest-password-of-a-stranger-0123"
SALT = "manifest-salt-of-a-stranger-0123"
TOKEN = "HRKU-token-of-the-operator-who-tries-them"
WITHIN_S = 60


@dataclass
class Stranger:
    """One of the programs, and what it remembers."""

    slug: str
    url: str

    def notes(self, what: str) -> list[dict[str, Any]]:
        found = httpx.get(f"{self.url}/_notes").json()
        return [note for note in found if note["what"] == what]


@dataclass
class Market:
    """The marketplace, with the account that tries everything out."""

    url: str
    ports: dict[str, int]
    processes: ExitStack
    running: dict[str, Stranger] = field(default_factory=dict)

    def __post_init__(self) -> None:
        headers = {"authorization": f"Bearer {TOKEN}", "accept": "application/vnd.heroku+json; version=3"}
        self.api = self.processes.enter_context(httpx.Client(base_url=self.url, headers=headers, timeout=WITHIN_S))

    def stranger(self, slug: str) -> Stranger:
        """The program, started when it is asked for first."""
        if slug not in self.running:
            made = self.ask("POST", f"/api/v3/addons/{slug}/client-secret")
            environment = {
                **os.environ,
                "SLUG": slug,
                "PASSWORD": PASSWORD,
                "SALT": SALT,
                "CLIENT_SECRET": made["client_secret"],
                "TOKEN_URL": f"{self.url}/oauth/token",
                "PORT": str(self.ports[slug]),
            }
            self.processes.enter_context(program(environment, "-m", f"tests.providers.styles.{slug}"))
            url = f"http://{LOOPBACK}:{self.ports[slug]}"
            eventually(lambda: answers(f"{url}/_notes"))
            self.running[slug] = Stranger(slug, url)
        return self.running[slug]

    def ask(self, method: str, path: str, **more: Any) -> Any:
        answer = self.api.request(method, path, **more)
        assert answer.is_success, answer.text
        return answer.json()

    def new_app(self, name: str) -> str:
        self.ask("POST", "/apps", json={"name": name})
        return name

    def add(self, app: str, plan: str) -> dict[str, Any]:
        made: dict[str, Any] = self.ask("POST", f"/apps/{app}/addons", json={"plan": plan})
        return self.becomes(app, made["id"], "provisioned")

    def becomes(self, app: str, addon_id: str, state: str) -> dict[str, Any]:
        path = f"/apps/{app}/addons/{addon_id}"
        eventually(lambda: self.ask("GET", path)["state"] == state)
        found: dict[str, Any] = self.ask("GET", path)
        return found

    def config(self, app: str) -> dict[str, str]:
        found: dict[str, str] = self.ask("GET", f"/apps/{app}/config-vars")
        return found

    def releases(self, app: str) -> list[str]:
        return [item["description"] for item in self.ask("GET", f"/apps/{app}/releases")]


@pytest.fixture(scope="module")
def market(postgres_url: str, migrated_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    folder = tmp_path_factory.mktemp("market")
    ports = {slug: free_port() for slug in STYLES}
    with ExitStack() as stack:
        database = stack.enter_context(new_database(postgres_url, migrated_database.rsplit("/", 1)[1]))
        port = free_port()
        url = f"http://{LOOPBACK}:{port}"
        environment = {
            **os.environ,
            "DATABASE_URL": database,
            "BROKER_PUBLIC_URL": url,
            "BROKER_SECRET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
            "BROKER_OPERATION_WAIT_S": "5",
            "BROKER_OUTBOUND_ALLOW": "127.0.0.0/8",
            "BROKER_SEED_FILE": str(seed_file(folder, ports)),
        }
        stack.enter_context(program(environment, "-m", "broker", "serve", "--with-worker", "--port", str(port)))
        eventually(lambda: answers(f"{url}/health"))
        yield Market(url, ports, stack)


def seed_file(folder: Path, ports: dict[str, int]) -> Path:
    manifests = []
    for slug, port in ports.items():
        manifests.append(str(folder / f"{slug}.json"))
        Path(manifests[-1]).write_text(json.dumps(manifest(slug, port)))
    seed = folder / "seed.json"
    account = {"email": "operator@example.com", "password": "a-password-0123", "token": TOKEN, "operator": True}
    seed.write_text(json.dumps(account | {"manifests": manifests}))
    return seed


def manifest(slug: str, port: int) -> dict[str, Any]:
    """As the author of the program would have written it."""
    origin = f"http://{LOOPBACK}:{port}"
    api: dict[str, Any] = {
        "version": "3",
        "password": PASSWORD,
        "sso_salt": SALT,
        "config_vars": [f"{slug.upper()}_URL", f"{slug.upper()}_EXTRA"],
        "regions": ["us"],
        "requires": ["many_per_app", "attachable"],
        "production": {"base_url": f"{origin}/heroku/resources", "sso_url": f"{origin}/sso/login"},
    }
    if slug in ("legacy", "root"):
        del api["version"]
    if slug == "root":
        api |= {"production": f"{origin}/", "test": f"{origin}/"}
    plans = [{"name": name, "human_name": name.title(), "price_cents": 0} for name in ("test", "big")]
    return {"id": slug, "name": slug.title(), "api": api, "plans": [plans[0] | {"default": True}, plans[1]]}


@contextmanager
def program(environment: dict[str, str], *words: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(WITHIN_S)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def eventually(condition: Any) -> None:
    """Go on as soon as it holds; other processes announce it by no event."""
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.05)
