"""The forwarder between the Heroku CLI and a broker elsewhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.cli.conftest import Canned


@pytest.fixture
def forwarder(canned: Canned) -> Iterator[str]:
    """The address of a running `broker cli-proxy` before the canned server."""
    environment = {**os.environ, "BROKER_URL": canned.url, "BROKER_TOKEN": "tok"}
    command = [sys.executable, "-m", "broker", "cli-proxy", "--json"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        note = process.stderr.readline()
        origin = note.split()[1]
        assert canned.url in note
        yield origin
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (0, "Stopped.\n")
        variables = json.loads(out)
        assert (variables["HEROKU_HOST"], variables["HEROKU_API_KEY"]) == (origin, "tok")


def test_requests_and_answers_pass_as_they_are(forwarder: str, canned: Canned) -> None:
    canned.answer("POST /apps/a%2Fb?x=1&y=%20", 422, {"id": "invalid_params", "message": "é"}, warning_message="w")
    headers = {
        "authorization": "Bearer t2",
        "range": "id ..; max=2",
        "x-own": "1",
        "connection": "keep-alive, x-gone",
        "x-gone": "1",
    }
    answer = httpx.post(f"{forwarder}/apps/a%2Fb?x=1&y=%20", content=b"\x00\xffbody", headers=headers)
    assert (answer.status_code, answer.json()["message"], answer.headers["warning-message"]) == (422, "é", "w")
    request, sent, body = canned.seen[0]
    assert (request, body) == ("POST /apps/a%2Fb?x=1&y=%20", b"\x00\xffbody")
    assert (sent["authorization"], sent["range"], sent["x-own"]) == ("Bearer t2", "id ..; max=2", "1")
    assert sent["host"] == canned.url.removeprefix("http://")
    assert "x-gone" not in sent


def test_people_sign_in_at_the_broker_itself(forwarder: str, canned: Canned) -> None:
    answer = httpx.get(f"{forwarder}/auth/browser/abc-DE_f")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{canned.url}/auth/browser/abc-DE_f")
    assert canned.seen == []


def test_no_token_is_added(forwarder: str, canned: Canned) -> None:
    canned.answer("GET /account", 200, {})
    assert httpx.get(f"{forwarder}/account").status_code == 200
    assert "authorization" not in canned.seen[0][1]


def test_another_host_name_is_refused(forwarder: str, canned: Canned) -> None:
    answer = httpx.get(f"{forwarder}/account", headers={"host": "evil.example"})
    assert (answer.status_code, answer.json()["id"]) == (421, "misdirected_request")
    assert canned.seen == []


def test_a_redirect_to_the_broker_stays_with_the_forwarder(forwarder: str, canned: Canned) -> None:
    canned.answer("GET /a", 302, {}, location=f"{canned.url}/b?c")
    assert httpx.get(f"{forwarder}/a").headers["location"] == f"{forwarder}/b?c"


def test_a_broker_that_is_away_is_a_502_with_a_message(forwarder: str, canned: Canned) -> None:
    canned.stop()
    answer = httpx.get(f"{forwarder}/account")
    assert (answer.status_code, answer.json()["id"]) == (502, "unreachable")
