"""What users type about webhooks, against canned answers; the real ones are tested over HTTP."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from broker.cli.errors import Exit
from tests.cli.conftest import Broker, Canned

WEBHOOK = {
    "id": "01234567-89ab-7def-8123-456789abcdef",
    "include": ["api:addon", "api:release"],
    "level": "sync",
    "url": "https://hooks.example.com/in",
    "failing_since": None,
    "created_at": "2026-11-01T10:00:00Z",
    "updated_at": "2026-11-01T10:00:00Z",
}
DELIVERY = {
    "id": "11234567-89ab-7def-8123-456789abcdef",
    "sequence": 7,
    "event": {"id": "21234567-89ab-7def-8123-456789abcdef", "include": "api:addon"},
    "webhook": {"id": WEBHOOK["id"], "level": "sync"},
    "status": "retrying",
    "num_attempts": 3,
    "next_attempt_at": "2026-11-01T11:00:00Z",
    "last_attempt": {"code": None, "error_class": "ReadTimeout", "status": "failed"},
    "created_at": "2026-11-01T10:00:00Z",
    "updated_at": "2026-11-01T10:30:00Z",
}
EVENT = {
    "id": DELIVERY["event"]["id"],
    "sequence": 7,
    "include": "api:addon",
    "payload": {"resource": "addon", "action": "create", "published_at": "2026-11-01T10:00:00Z"},
    "created_at": "2026-11-01T10:00:00Z",
    "updated_at": "2026-11-01T10:00:00Z",
}
PATH = f"/apps/shop/webhooks/{WEBHOOK['id']}"


@pytest.fixture
def shop(broker: Broker, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> Broker:
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "HRKU-somebody")
    monkeypatch.setenv("BROKER_APP", "shop")
    return broker


def sent(canned: Canned, request: str) -> list[object]:
    return [json.loads(body) for seen, _, body in canned.seen if seen == request]


def test_a_webhook_is_added_and_its_secret_is_all_that_is_printed(shop: Broker, canned: Canned) -> None:
    canned.answer("POST /apps/shop/webhooks", 201, WEBHOOK, heroku_webhook_secret="whsec_made")
    words = ("webhooks:add", "-i", "api:addon, api:release", "-l", "sync", "-u", WEBHOOK["url"])
    result = shop(*words)
    assert (result.status, result.out) == (0, "whsec_made\n"), result.err
    assert "is not shown again" in result.err
    body = {"include": ["api:addon", "api:release"], "level": "sync", "url": WEBHOOK["url"]}
    assert sent(canned, "POST /apps/shop/webhooks") == [body]
    assert json.loads(shop(*words, "--json").out) == {**WEBHOOK, "secret": "whsec_made"}


def test_secrets_come_from_files_or_from_standard_input(
    shop: Broker, canned: Canned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canned.answer(f"PATCH {PATH}", body=WEBHOOK)
    (tmp_path / "secret").write_text("my own secret\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("Bearer out\n"))
    files = ("--secret-file", str(tmp_path / "secret"), "--authorization-file", "-")
    assert shop("webhooks:update", WEBHOOK["id"], *files).status == 0
    assert sent(canned, f"PATCH {PATH}") == [{"secret": "my own secret", "authorization": "Bearer out"}]
    missing = shop("webhooks:update", WEBHOOK["id"], "--secret-file", str(tmp_path / "none"))
    assert missing.status != 0
    assert "can't be read as text" in missing.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("webhooks:add", "-i", "api:addon"), "Tell what to whom?"),
        (("webhooks:update", "x"), "Nothing to change"),
        (("webhooks:update", "x", "--secret-file", "-", "--authorization-file", "-"), "not both"),
    ],
)
def test_what_is_missing_is_asked_for(shop: Broker, words: tuple[str, ...], said: str) -> None:
    result = shop(*words)
    assert result.status == Exit.USAGE
    assert said in result.err


def test_webhooks_are_listed_with_those_that_fail_and_removed(shop: Broker, canned: Canned) -> None:
    failing = {**WEBHOOK, "id": "31234567-89ab-7def-8123-456789abcdef", "failing_since": "2026-11-01T10:00:00Z"}
    canned.answer("GET /apps/shop/webhooks", body=[WEBHOOK, failing])
    canned.answer(f"GET {PATH}", body=WEBHOOK)
    canned.answer(f"DELETE {PATH}", body=WEBHOOK)
    listed = shop("webhooks").out
    assert "https://hooks.example.com/in  api:addon,api:release  sync" in listed
    assert listed.count("failing since") == 1
    assert "URL:      https://hooks.example.com/in" in shop("webhooks:info", WEBHOOK["id"]).out
    assert json.loads(shop("webhooks:remove", WEBHOOK["id"], "--json").out) == WEBHOOK


def test_deliveries_are_listed_shown_and_repeated(shop: Broker, canned: Canned) -> None:
    canned.answer("GET /apps/shop/webhook-deliveries?eq[status]=retrying", body=[DELIVERY])
    path = f"/apps/shop/webhook-deliveries/{DELIVERY['id']}"
    canned.answer(f"GET {path}", body=DELIVERY)
    canned.answer(f"GET /apps/shop/webhook-events/{EVENT['id']}", body=EVENT)
    canned.answer(f"POST {path}/actions/retry", 202, {**DELIVERY, "status": "pending"})
    listed = shop("webhooks:deliveries", "--status", "retrying", "-n", "5").out
    assert "ReadTimeout" in listed
    assert "retrying" in listed
    assert next(headers["range"] for _, headers, _ in canned.seen) == "seq ..; order=desc,max=5"
    shown = shop("webhooks:deliveries:info", DELIVERY["id"]).out
    assert "Attempts:      3" in shown
    assert '"action": "create"' in shown
    repeated = shop("webhooks:deliveries:retry", DELIVERY["id"])
    assert "will be made at once" in repeated.err


def test_events_are_listed_newest_last(shop: Broker, canned: Canned) -> None:
    newer = {**EVENT, "payload": {**EVENT["payload"], "action": "update"}}
    canned.answer("GET /apps/shop/webhook-events", body=[newer, EVENT])
    canned.answer(f"GET /apps/shop/webhook-events/{EVENT['id']}", body=EVENT)
    listed = shop("webhooks:events").out
    assert listed.index("create") < listed.index("update")
    assert json.loads(shop("webhooks:events:info", EVENT["id"]).out) == EVENT["payload"]
    assert json.loads(shop("webhooks:events:info", EVENT["id"], "--json").out) == EVENT
