"""What a command makes of answers, and of none: a sentence and an exit status, never a traceback."""

from __future__ import annotations

import json
import socket

import pytest

from broker.cli.errors import LISTS, Exit
from broker.cli.main import COMMANDS
from tests.cli.conftest import Broker, Canned


@pytest.fixture
def logged_in(broker: Broker, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> Broker:
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "secret-token")
    return broker


@pytest.mark.parametrize(
    ("status", "error_id", "exit_status"),
    [
        (401, "unauthorized", Exit.LOGIN),
        (403, "forbidden", Exit.LOGIN),
        (404, "not_found", Exit.NOT_FOUND),
        (422, "invalid_params", Exit.FAILED),
        (503, "unavailable", Exit.FAILED),
    ],
)
def test_a_refusal_is_told_in_the_words_of_the_broker(
    logged_in: Broker, canned: Canned, status: int, error_id: str, exit_status: Exit
) -> None:
    canned.answer("GET /apps/demo/config-vars", status, {"id": error_id, "message": "It may not be."})
    result = logged_in("config", "-a", "demo")
    assert result.status == exit_status
    assert "Error: It may not be." in result.err
    assert result.out == ""


def test_who_names_what_there_is_not_is_told_where_to_look(logged_in: Broker, canned: Canned) -> None:
    canned.answer("GET /apps/demo", 404, {"id": "not_found", "message": "Couldn't find that app.", "resource": "app"})
    result = logged_in("apps:info", "demo")
    assert (result.status, result.out) == (Exit.NOT_FOUND, "")
    assert result.err == "Error: Couldn't find that app.\nSee `broker apps --all`.\n"
    assert [line for line in LISTS.values() if line.split()[0] not in COMMANDS] == []


def test_the_token_is_sent_and_never_told(logged_in: Broker, canned: Canned) -> None:
    canned.answer("GET /apps/demo/config-vars", 401, {"id": "unauthorized", "message": "Invalid credentials provided."})
    result = logged_in("config", "-a", "demo")
    assert canned.seen[0][1]["authorization"] == "Bearer secret-token"
    assert "BROKER_TOKEN" in result.err
    assert "secret-token" not in result.out + result.err


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>Hello</html>"), (502, b"Bad gateway"), (500, b'{"detail": "no message"}'), (500, b"[]")],
)
def test_something_that_is_no_broker_is_told_in_a_sentence(
    logged_in: Broker, canned: Canned, status: int, body: bytes
) -> None:
    canned.answer("GET /account", status, body)
    result = logged_in("whoami")
    assert result.status == Exit.UNREACHABLE
    assert f"at {canned.url} was answered with" in result.err
    assert "Traceback" not in result.err


def test_a_redirect_is_not_followed_with_the_token(logged_in: Broker, canned: Canned) -> None:
    canned.answer("GET /account", 302, {}, location="http://elsewhere.invalid/")
    result = logged_in("whoami")
    assert result.status == Exit.UNREACHABLE
    assert "a redirect to http://elsewhere.invalid/" in result.err


def test_a_broker_that_is_not_there_is_named(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("BROKER_URL", url)
        monkeypatch.setenv("BROKER_TOKEN", "x")
        result = broker("whoami")
    assert result.status == Exit.UNREACHABLE
    assert url in result.err
    assert "BROKER_URL" in result.err


def test_a_list_is_read_to_its_end(logged_in: Broker, canned: Canned) -> None:
    service = {"id": "1", "name": "redis", "human_name": "Redis", "state": "ga"}
    canned.answer("GET /addon-services", 206, [service], next_range="name redis2..; max=1")
    result = logged_in("addons:services", "--json")
    assert [request[1].get("range") for request in canned.seen] == [None, "name redis2..; max=1"]
    assert len(json.loads(result.out)) == 2


def test_names_are_quoted_in_paths(logged_in: Broker, canned: Canned) -> None:
    assert logged_in("config", "-a", "../apps?x").status == Exit.NOT_FOUND
    assert canned.seen[0][0] == "GET /apps/..%2Fapps%3Fx/config-vars"


def test_a_confirmation_that_nobody_can_give_is_an_exit_status_of_its_own(logged_in: Broker, canned: Canned) -> None:
    canned.answer("POST /apps/demo/addons", 423, {"id": "confirmation_required", "message": "DATABASE would be lost."})
    result = logged_in("addons:add", "postgres", "-a", "demo", "--as", "DATABASE")
    assert result.status == Exit.CONFIRM
    assert "DATABASE would be lost." in result.err
    assert "--confirm demo" in result.err


def test_options_stand_anywhere_and_those_of_the_add_on_behind_two_dashes(logged_in: Broker, canned: Canned) -> None:
    canned.answer("POST /apps/demo/addons", 422, {"id": "invalid_params", "message": "No."})
    logged_in("addons:create", "--app", "demo", "postgres:basic", "--name", "db", "--", "--version", "16", "--flag")
    sent = {
        "plan": {"name": "postgres:basic"},
        "config": {"version": "16", "flag": True},
        "attachment": {},
        "name": "db",
    }
    assert json.loads(canned.seen[0][2]) == sent


def test_a_wrong_confirmation_destroys_nothing(logged_in: Broker, canned: Canned) -> None:
    addon = {"id": "1", "name": "db", "state": "provisioned", "app": {"id": "2", "name": "demo"}}
    canned.answer("POST /actions/addons/resolve", 200, [addon])
    result = logged_in("addons:destroy", "db", "--confirm", "other")
    assert result.status == Exit.FAILED
    assert [request for request, _, _ in canned.seen] == ["POST /actions/addons/resolve"]


def test_an_add_on_on_another_app_is_not_destroyed(logged_in: Broker, canned: Canned) -> None:
    addon = {"id": "1", "name": "db", "state": "provisioned", "app": {"id": "2", "name": "demo"}}
    canned.answer("POST /actions/addons/resolve", 200, [addon])
    result = logged_in("addons:destroy", "db", "--app", "second", "--confirm", "second")
    assert result.status == Exit.FAILED
    assert "on demo, not on second" in result.err


def test_config_vars_that_are_no_assignment_are_left_out_of_shell_lines(logged_in: Broker, canned: Canned) -> None:
    canned.answer("GET /apps/demo/config-vars", 200, {"A": "it's", "X; rm -rf y": "1"})
    result = logged_in("config", "-s", "-a", "demo")
    assert result.out == "A='it'\\''s'\n"
    assert "left out" in result.err
