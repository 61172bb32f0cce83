"""The unmodified Heroku CLI's `webhooks:*`, with a receiver on this machine that checks what it is told."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.journeys.conftest import Api
from tests.journeys.heroku_cli import Heroku, surroundings
from tests.outbound.test_webhook_sender import is_genuine, is_standard
from tests.outbound.wire import Request
from tests.platform import Platform

pytestmark = [pytest.mark.journey, pytest.mark.heroku, pytest.mark.timeout(300)]
_TOLD_WITHIN_S = 20


@dataclass
class Receiver:
    """A web server that notes what it is told."""

    url: str = ""
    status: int = 200
    requests: list[Request] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, number: int) -> Request:
        """The request of this number, counted from one."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.requests) >= number, _TOLD_WITHIN_S), "nothing was told"
            return self.requests[number - 1]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with state.changed:
                state.requests.append(Request(self.requestline, headers, body))
                state.changed.notify_all()
            self.send_response(state.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}/in"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def heroku(heroku_program: Path, platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Heroku:
    return surroundings(heroku_program, tmp_path_factory.mktemp("heroku"), platform)


def test_webhooks_are_added_told_listed_changed_and_removed(
    heroku: Heroku, api: Api, app: str, receiver: Receiver
) -> None:
    assert f"{app} has no webhooks" in heroku.ok("webhooks", "-a", app).out
    made = heroku.ok("webhooks:add", "-i", "api:addon,api:release", "-l", "notify", "-u", receiver.url, "-a", app)
    assert made.out.startswith("=== Webhooks Signing Secret\n")
    secret = re.search(r"^whsec_\S+$", made.out, re.M)
    assert secret is not None
    webhook = api.get(f"/apps/{app}/webhooks")[0]["id"]
    listed = heroku.ok("webhooks", "-a", app).out
    assert re.search(rf"{webhook} +{receiver.url} +api:addon,api:release +notify", listed)
    info = heroku.ok("webhooks:info", webhook, "-a", app).out
    assert re.search(r"Include: +api:addon,api:release\n.*Level: +notify", info, re.S)

    receiver.status = 500
    name = api.add(app, "sendgrid")
    told = [receiver.wait_for(number) for number in (1, 2, 3)]
    assert all(is_genuine(request, secret[0]) and is_standard(request, secret[0]) for request in told)
    payloads = [json.loads(request.body) for request in told]
    assert [(item["resource"], item["action"]) for item in payloads] == [
        ("addon", "create"), ("release", "create"), ("addon", "update"),
    ]  # fmt: skip
    assert payloads[2]["data"]["name"] == name
    assert payloads[2]["data"]["state"] == "provisioned"

    failed = _settled(api, app, 3)
    rows = heroku.ok("webhooks:deliveries", "-a", app, "-s", "failed").out
    for delivery in failed:
        assert re.search(rf"{delivery['id']} .* failed +{delivery['event']['include']} +notify +1 +500", rows)
    assert f"{app} has no deliveries" in heroku.ok("webhooks:deliveries", "-a", app, "-s", "succeeded").out
    shown = heroku.ok("webhooks:deliveries:info", failed[0]["id"], "-a", app).out
    assert re.search(r"Status: +failed", shown)
    assert '"action":' in shown.replace('"action" :', '"action":')
    events = heroku.ok("webhooks:events", "-a", app).out
    assert re.search(rf"{failed[0]['event']['id']} +addon +create", events)

    receiver.status = 200
    api.post(f"/apps/{app}/webhook-deliveries/{failed[0]['id']}/actions/retry")
    assert receiver.wait_for(4).headers["webhook-id"] == failed[0]["event"]["id"]

    heroku.ok("webhooks:update", webhook, "-i", "api:app", "-l", "sync", "-u", receiver.url, "-a", app)
    assert api.get(f"/apps/{app}/webhooks/{webhook}")["include"] == ["api:app"]
    heroku.ok("webhooks:remove", webhook, "-a", app)
    assert api.get(f"/apps/{app}/webhooks") == []


def _settled(api: Api, app: str, number: int) -> list[dict[str, dict[str, str]]]:
    """The deliveries, once none of them is under way."""
    deadline = time.monotonic() + _TOLD_WITHIN_S
    while True:
        found = api.get(f"/apps/{app}/webhook-deliveries")
        if len(found) == number and all(one["status"] == "failed" for one in found):
            return list(found)
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_what_cannot_be_a_webhook_is_refused_in_our_words(heroku: Heroku, app: str) -> None:
    url = "http://hooks.example.com/in"
    refused = heroku.run("webhooks:add", "-i", "api:addon", "-l", "sync", "-u", url, "-a", app)
    assert refused.status == 2
    assert "url: must begin with https://" in refused.said
