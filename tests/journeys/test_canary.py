"""A canary: secrets are planted through a whole journey, errors included, and then looked for in everything it wrote."""

import base64
import json
import os
import secrets as random
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from fnmatch import fnmatch
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest
import redis

from broker.local.database import Database
from broker.local.home import Home
from tests.journeys.conftest import Api, api_client
from tests.journeys.mailing import submission
from tests.journeys.signing_on import form_of
from tests.journeys.watching import Arguments, files, found_in, tables
from tests.platform import Platform, running_platform
from tests.processes import descendants

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads the arguments of processes in /proc"),
]

MAY_HOLD = {
    "state.json": "the secrets that the home itself has made",
    "demo.json": "the demo account, for its user",
    "seed.json": "the demo account, for the broker to make",
    "secret.key": "the key-encryption key",
    "manifests/*.json": "the password and salt of each service, for its provider",
    "providers/mail/mail.db*": "the messages that were sent",
    "providers/postgres/cluster/*": "the rows of a tenant, on the tenant's own server",
}
"""The only places in a home that may hold a secret in the clear, with the reason. All of them for the owner alone."""


@dataclass
class Journey:
    """What was planted, and what was seen of it on the way."""

    platform: Platform
    api: Api
    planted: dict[str, str] = field(default_factory=dict)
    refusals: list[bytes] = field(default_factory=list)

    def plant(self, label: str, value: str | None = None) -> str:
        """A new secret, or one that somebody else has made."""
        assert label not in self.planted
        self.planted[label] = value if value is not None else f"canary{random.token_hex(12)}"
        return self.planted[label]

    def refused(self, method: str, path: str, **how: Any) -> None:
        """A request that must be refused; what is said is kept."""
        answer = self.api.http.request(method, path, **how)
        assert 400 <= answer.status_code < 600, (answer.request, answer.text)
        assert answer.status_code != 500, (answer.request, answer.text)
        self.refusals.append(b"\n".join([str(answer.headers.raw).encode(), answer.content]))


@dataclass(frozen=True)
class Traces:
    """The journey that was made, and the arguments of all processes meanwhile."""

    journey: Journey
    arguments: set[bytes]


@pytest.fixture(scope="module")
def traces() -> Iterator[Traces]:
    """A marketplace of its own, on which the whole journey is made; it still runs while the tests look around."""
    with running_platform(BROKER_OPERATION_WAIT_S="4", BROKER_LOG_LEVEL="debug") as platform:
        journey = Journey(platform, api_client(platform.url, platform.token))
        arguments = Arguments()
        with journey.api.http, arguments.watched():
            secrets_of_the_home(journey)
            use_everything(journey)
            go_wrong(journey)
            kill_a_provider(journey)
        yield Traces(journey, arguments.seen)


def secrets_of_the_home(journey: Journey) -> None:
    home = journey.platform.home
    for name, secret in json.loads((home / "state.json").read_text())["secrets"].items():
        journey.plant(name, secret)
    journey.plant("secret key", (home / "secret.key").read_text().strip())
    assert {journey.platform.token, journey.platform.password} <= set(journey.planted.values())


def use_everything(journey: Journey) -> None:
    api = journey.api
    api.post("/apps", name="canary-app")
    change = {"OWN": journey.plant("config var"), "GONE": journey.plant("removed config var")}
    api.http.patch("/apps/canary-app/config-vars", json=change).raise_for_status()
    api.http.patch("/apps/canary-app/config-vars", json={"GONE": None}).raise_for_status()
    for plan in ("postgres", "redis", "sendgrid"):
        api.add("canary-app", plan, name=f"canary-{plan}", config={"note": journey.plant(f"{plan} option")})
    config = api.config("canary-app")
    for name, value in config.items():
        if name.endswith("_URL"):
            journey.plant(name, value)
            journey.plant(f"password in {name}", urlsplit(value).password or "")
    journey.plant("SENDGRID_PASSWORD", config["SENDGRID_PASSWORD"])
    use_what_was_provisioned(journey, config)
    made = api.post("/oauth/authorizations", description="canary", scope=["read"])
    journey.plant("second token", made["access_token"]["token"])
    open_dashboards(journey)
    api.post("/apps", name="canary-other")
    api.post("/addon-attachments", addon="canary-redis", app="canary-other")
    api.post("/apps/canary-app/releases", release=2)
    api.delete("/apps/canary-other")


def use_what_was_provisioned(journey: Journey, config: dict[str, str]) -> None:
    with psycopg.connect(config["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("create table notes (body text)")
        connection.execute("insert into notes values (%s)", [journey.plant("row")])
    with redis.Redis.from_url(config["REDIS_URL"]) as store:
        store.set("note", journey.plant("value"))
    mail = EmailMessage()
    mail["From"], mail["To"] = "app@example.com", "someone@example.com"
    mail["Subject"] = journey.plant("subject")
    mail.set_content(journey.plant("message"))
    with submission(config) as client:
        client.starttls()
        client.login(config["SENDGRID_USERNAME"], config["SENDGRID_PASSWORD"])
        client.send_message(mail)


def open_dashboards(journey: Journey) -> None:
    """Through the link and the form to the dashboard, and once more with each ticket and token too late or forged."""
    for addon in ("canary-postgres", "canary-redis", "canary-sendgrid"):
        link = journey.api.get(f"/addons/{addon}")["web_url"]
        [ticket] = parse_qs(urlsplit(link).query)["ticket"]
        journey.plant(f"ticket of {addon}", ticket)
        with httpx.Client(trust_env=False, timeout=120) as browser:
            action, fields = form_of(browser.get(link).raise_for_status().text)
            for name in ("token", "resource_token", "user_scoped_resource_token"):
                if fields[name] not in journey.planted.values():  # two of them are the same for a new provider
                    journey.plant(f"{name} of {addon}", fields[name])
            browser.post(action, data=fields, follow_redirects=True).raise_for_status()
            replay = browser.post(action, data=fields)
            assert replay.status_code == 403
            journey.refusals.append(replay.content)


def go_wrong(journey: Journey) -> None:
    """Secrets in every place of a request in which people put them by mistake."""
    secret, api = journey.plant("misplaced"), "/apps/canary-app"
    for wrong in ([secret], {"value": secret}, {secret: 1}):
        journey.refused("PATCH", f"{api}/config-vars", json={"OWN": wrong})
        journey.refused("PATCH", f"{api}/config-vars", json={"OWN": "fine", "DATABASE_URL": secret, "B": wrong})
        journey.refused(
            "POST",
            f"{api}/addons",
            json={"plan": "redis", "config": wrong | {"x": wrong} if isinstance(wrong, dict) else wrong},
        )
        journey.refused("POST", f"{api}/addons", json={"plan": "redis", "config": {"note": wrong}})
        journey.refused("POST", "/oauth/authorizations", json={"expires_in": wrong})
    journey.refused("PATCH", f"{api}/config-vars", json={"DATABASE_URL": secret})
    journey.refused("PATCH", f"{api}/config-vars", json={"OWN": secret + "x" * 65536})
    journey.refused("PATCH", f"{api}/config-vars", json={"OWN": secret + "\0"})
    journey.refused("PATCH", f"{api}/config-vars", content=json.dumps({"OWN": secret + "\ud800"}))
    journey.refused("PATCH", f"{api}/config-vars", content=f'{{"OWN": "{secret}')
    journey.refused("PATCH", f"{api}/config-vars", content=f"OWN={secret}", headers={"content-type": "text/plain"})
    journey.refused("PATCH", f"{api}/config-vars", content=b'"' + secret.encode() + b'\xff"')
    journey.refused("POST", f"{api}/addons", json={"plan": "redis", "config": {"maxmemory-policy": secret}})
    journey.refused("POST", f"{api}/addons", json={"plan": "postgres", "config": {"url-scheme": secret}})
    journey.refused("GET", "/account", headers={"authorization": f"Bearer {journey.plant('wrong token')}"})
    basic = base64.b64encode(f"{journey.platform.email}:{journey.plant('wrong password')}".encode()).decode()
    journey.refused("POST", "/oauth/authorizations", json={}, headers={"authorization": f"Basic {basic}"})
    journey.refused("GET", f"/account?token={secret}", headers={"authorization": f"Digest {secret}"})
    journey.refused("GET", f"/sso/addons/{'0' * 32}?ticket={journey.plant('forged ticket')}")
    for url in (provider["url"] for provider in journey.platform.providers.values()):
        basic_auth = ("someone", journey.plant(f"wrong provider password {url}"))
        with httpx.Client(trust_env=False, timeout=120) as stranger:
            body = {"uuid": secret, "plan": [secret], "options": {"x": secret}}
            answer = stranger.post(f"{url}/heroku/resources", json=body, auth=basic_auth)
            assert answer.status_code == 401
            journey.refusals.append(answer.content)
            journey.refusals.append(stranger.post(f"{url}/sso/login", data={"token": secret, "id": secret}).content)


def kill_a_provider(journey: Journey) -> None:
    """It dies; the add-on that is asked for meanwhile, and its option, wait for it to be back."""
    pids = [pid for pid, words in descendants(journey.platform.pid).items() if "providers.redis" in words]
    assert len(pids) == 1
    os.kill(pids[0], signal.SIGKILL)
    option = journey.plant("option at a dead provider")
    answer = journey.api.call(
        "POST", "/apps/canary-app/addons", plan="redis", name="canary-late", config={"note": option}
    )
    assert answer.status_code == 201, answer.text
    journey.api.delete("/apps/canary-app/addons/canary-late")


def test_something_was_planted_everywhere(traces: Traces) -> None:
    assert len(traces.journey.planted) > 35
    assert len(traces.journey.refusals) > 30
    assert all(len(secret) >= 12 for secret in traces.journey.planted.values()), traces.journey.planted.keys()
    assert any(b"providers.redis" in words for words in traces.arguments)


def test_no_refusal_repeats_a_secret(traces: Traces) -> None:
    for said in traces.journey.refusals:
        assert found_in(said, traces.journey.planted) == set(), said[:500]


def test_no_process_has_a_secret_among_its_arguments(traces: Traces) -> None:
    for words in traces.arguments:
        assert found_in(words, traces.journey.planted) == set(), words


def test_no_log_and_nothing_that_was_printed_has_a_secret(traces: Traces) -> None:
    home = traces.journey.platform.home
    logs = [*files(home / "logs"), home.parent / "up.log", *home.rglob("*.log")]
    assert any(path.name == "broker.log" and path.stat().st_size > 10_000 for path in logs)
    for path in logs:
        assert found_in(path.read_bytes(), traces.journey.planted) == set(), path


def test_no_column_of_the_database_has_a_secret_in_the_clear(traces: Traces) -> None:
    read = dict(tables(Database(Home(traces.journey.platform.home)).url))
    assert {"config_vars", "operations", "releases", "events", "procrastinate_jobs"} <= read.keys()
    assert all(read[name] for name in ("config_vars", "operations", "releases", "events"))
    for name, rows in read.items():
        assert found_in(rows, traces.journey.planted) == set(), name


def test_secrets_are_in_the_few_files_that_must_hold_them_and_those_are_for_their_owner_alone(traces: Traces) -> None:
    home = traces.journey.platform.home
    needles = {label: secret.encode() for label, secret in traces.journey.planted.items()}
    misplaced: dict[str, set[str]] = {}
    readable, used = [], set()
    for path in files(home):
        content, name = path.read_bytes(), str(path.relative_to(home))
        found = {label for label, needle in needles.items() if needle in content}
        allowed = {pattern for pattern in MAY_HOLD if fnmatch(name, pattern)} if found else set()
        used |= allowed
        if found and not allowed:
            misplaced[name] = found
        if found and path.stat().st_mode & 0o077:
            readable.append(name)
    assert misplaced == {}
    assert readable == []
    assert used == MAY_HOLD.keys()
