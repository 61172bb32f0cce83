"""What is said about credentials and their rotation, against canned answers; the real ones are tested over HTTP."""

from __future__ import annotations

import json

import pytest

from broker.cli.errors import Exit
from tests.cli.conftest import Broker, Canned

ADDON = {"id": "11234567-89ab-7def-8123-456789abcdef", "name": "store-calm-1", "app": {"name": "shop"}}
APP = {"id": "x", "name": "shop", "release": 5, "acknowledged_at": None, "how": None}
ROTATION = {
    "id": "01234567-89ab-7def-8123-456789abcdef",
    "addon": {"id": ADDON["id"], "name": "store-calm-1"},
    "operation_id": "21234567-89ab-7def-8123-456789abcdef",
    "generation": 2,
    "state": "overlap",
    "initiated_by": "user",
    "actor": "alice@example.com",
    "overlap_until": "2026-11-01T12:00:00Z",
    "apps": [APP],
    "attempts": 0,
    "next_attempt_at": "2026-11-01T12:00:00Z",
    "last_answer": None,
    "created_at": "2026-11-01T10:00:00Z",
    "issued_at": "2026-11-01T10:00:01Z",
    "finished_at": None,
}
FINISHED = {**ROTATION, "state": "finished", "finished_at": "2026-11-01T11:00:00Z"}
LOGIN = {
    "id": "31234567-89ab-7def-8123-456789abcdef",
    "addon_id": ADDON["id"],
    "name": "analytics",
    "permission": "read_only",
    "state": "active",
    "while_attached": False,
    "apps": ["reports"],
    "reason": None,
    "attempts": 1,
    "next_attempt_at": None,
    "last_answer": "done 201",
    "created_at": "2026-11-01T10:00:00Z",
}
PATH = f"/addons/{ADDON['id']}"


@pytest.fixture
def user(broker: Broker, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> Broker:
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "HRKU-user")
    canned.answer("POST /actions/addons/resolve", body=[ADDON])
    return broker


def sent(canned: Canned, request: str) -> list[object]:
    return [json.loads(body) for what, _, body in canned.seen if what == request]


def test_rotating_says_who_has_to_take_the_new_credentials_until_when(user: Broker, canned: Canned) -> None:
    canned.answer(f"POST {PATH}/actions/rotate", body=ROTATION)
    result = user("addons:rotate", "store-calm-1")
    assert result.status == 0, result.err
    assert result.err.startswith("Rotating the credentials of store-calm-1... done, generation 2\n")
    assert "shop (v5)" in result.err
    assert "broker run" in result.err
    assert sent(canned, f"POST {PATH}/actions/rotate") == [{"revoke_now": False}]


def test_waiting_lasts_until_the_old_ones_are_gone(user: Broker, canned: Canned) -> None:
    canned.answer(f"POST {PATH}/actions/rotate", body=ROTATION)
    canned.answer(f"GET {PATH}/rotations", body=[ROTATION])
    canned.answer(f"GET {PATH}/rotations", body=[FINISHED])
    assert json.loads(user("addons:rotate", "store-calm-1", "--wait", "--revoke-now", "--json").out) == FINISHED
    assert sent(canned, f"POST {PATH}/actions/rotate") == [{"revoke_now": True}]


def test_everything_of_a_service_is_rotated_by_one_command_that_fails_if_any_was_refused(
    user: Broker, canned: Canned
) -> None:
    begun = {"addon": ROTATION["addon"], "addon_service": "store", "rotation": ROTATION["id"], "refusal": None}
    refused = {**begun, "addon": {"id": "y", "name": "store-old-2"}, "rotation": None, "refusal": "It is busy."}
    canned.answer("POST /actions/rotate-credentials", body=[begun])
    canned.answer("POST /actions/rotate-credentials", body=[begun, refused])
    assert user("addons:rotate", "--service", "store", "--everyone").status == 0
    result = user("addons:rotate", "--all")
    assert result.status == Exit.FAILED
    assert "It is busy." in result.out
    assert sent(canned, "POST /actions/rotate-credentials") == [
        {"revoke_now": False, "addon_service": "store", "everyone": True},
        {"revoke_now": False, "everyone": False},
    ]


@pytest.mark.parametrize("words", [(), ("a", "--all"), ("--all", "--service", "s"), ("a", "--everyone")])
def test_what_is_to_be_rotated_must_be_plain(user: Broker, words: tuple[str, ...]) -> None:
    assert user("addons:rotate", *words).status == Exit.USAGE


def test_generations_are_shown_with_their_ages_and_apps(user: Broker, canned: Canned) -> None:
    late = {**FINISHED, "apps": [{**APP, "how": "deadline"}]}
    taken = {**ROTATION, "apps": [{**APP, "acknowledged_at": "2026-11-01T10:30:00Z", "how": "broker run"}]}
    known = {
        "addon": ROTATION["addon"],
        "generation": 3,
        "rotated_at": "2026-11-01T10:00:01Z",
        "old_until": None,
        "named": [LOGIN],
    }
    canned.answer(f"GET {PATH}/credentials", body=known)
    canned.answer(f"GET {PATH}/rotations", body=[taken, ROTATION, late])
    out = user("addons:credentials", "store-calm-1").out
    assert "Generation:" in out
    assert "shop v5: taken 2026-" in out
    assert "(broker run)" in out
    assert "shop v5: not taken yet" in out
    assert "Credential analytics" in out
    assert "read only" in out
    assert "shop v5: not known to be taken in time" in out
    assert len(json.loads(user("addons:credentials", "store-calm-1", "--json").out)["rotations"]) == 3


def test_old_credentials_can_be_withdrawn_at_once(user: Broker, canned: Canned) -> None:
    canned.answer(f"POST {PATH}/rotations/actions/revoke", body=[ROTATION])
    known = {
        "addon": ROTATION["addon"],
        "generation": 2,
        "rotated_at": "2026-11-01T10:00:01Z",
        "old_until": None,
        "named": [LOGIN],
    }
    canned.answer(f"GET {PATH}/credentials", body=known)
    canned.answer(f"GET {PATH}/rotations", body=[])
    assert "Withdrawing" in user("addons:credentials", "store-calm-1", "--revoke-old").err


def test_refreshing_asks_again(user: Broker, canned: Canned) -> None:
    canned.answer(f"POST {PATH}/actions/refresh", body=ADDON)
    assert user("addons:refresh", "store-calm-1").err == "Refreshing store-calm-1... done\n"


def test_a_login_of_its_own_is_made_and_waited_for(user: Broker, canned: Canned) -> None:
    canned.answer(f"POST {PATH}/credentials", 201, {**LOGIN, "state": "creating"})
    canned.answer(f"GET {PATH}/credentials", body={"named": [{**LOGIN, "state": "creating"}]})
    canned.answer(f"GET {PATH}/credentials", body={"named": [LOGIN]})
    words = ("addons:credentials:create", "store-calm-1", "--name", "analytics", "--read-only")
    result = user(*words, "--json")
    assert (result.status, json.loads(result.out)) == (0, LOGIN)
    (body,) = sent(canned, f"POST {PATH}/credentials")
    assert body == {"name": "analytics", "permission": "read_only", "while_attached": False}
    canned.answers[f"GET {PATH}/credentials"] = []
    canned.answer(f"GET {PATH}/credentials", body={"named": []})
    assert user(*words).status == Exit.FAILED


def test_an_attachment_can_have_a_login_of_its_own(user: Broker, canned: Canned) -> None:
    canned.answer(f"POST {PATH}/credentials", 201, LOGIN)
    canned.answer("POST /addon-attachments", 201, {"name": "STORE"})
    canned.answer("GET /apps/reports/releases", body=[{"version": 3}])
    words = ("addons:attach", "store-calm-1", "--app", "reports")
    assert user(*words, "--own-credential", "--read-only").status == 0
    (asked,) = sent(canned, f"POST {PATH}/credentials")
    (attached,) = sent(canned, "POST /addon-attachments")
    assert isinstance(asked, dict)
    assert isinstance(attached, dict)
    assert (asked["permission"], asked["while_attached"]) == ("read_only", True)
    assert attached["namespace"] == f"credential:{asked['name']}"
    for wrong in (("--read-only",), ("--own-credential", "--credential", "x")):
        assert user(*words, *wrong).status == Exit.USAGE


def test_a_login_of_its_own_is_removed_by_name(user: Broker, canned: Canned) -> None:
    canned.answer(f"DELETE {PATH}/credentials/analytics", body={**LOGIN, "state": "removing"})
    result = user("addons:credentials:destroy", "store-calm-1", "--name", "analytics")
    assert result.err == "Removing the credential analytics of store-calm-1... begun\n"
