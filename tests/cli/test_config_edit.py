"""Config vars in an editor."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from broker.cli.config_edit import differences
from tests.cli.conftest import Broker, Canned

BEFORE = {"A": "1", "B": "it's\ntwo lines", "GONE": "x"}


@pytest.fixture
def demo(broker: Broker, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> Broker:
    monkeypatch.setenv("BROKER_URL", canned.url)
    monkeypatch.setenv("BROKER_TOKEN", "t")
    canned.answer("GET /apps/demo/config-vars", 200, BEFORE)
    canned.answer("PATCH /apps/demo/config-vars", 200, {"A": "2"})
    canned.answer("GET /apps/demo/releases", 206, [{"version": 4}])
    return broker


def editor(tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make $EDITOR a program that changes `text` with one statement and checks who can read the file."""
    program = tmp_path / "editor.py"
    program.write_text(
        "import sys, pathlib, stat\npath = pathlib.Path(sys.argv[-1])\n"
        "assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700\n"
        f"text = path.read_text()\n{change}\npath.write_text(text)\n"
    )
    monkeypatch.setenv("EDITOR", f"{sys.executable} {program}")


def test_only_what_was_changed_is_sent(
    demo: Broker, canned: Canned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(tmp_path, "text = text.replace('A=1', 'A=2').replace('GONE=x\\n', 'NEW=\"a b\"\\n')", monkeypatch)
    result = demo("config:edit", "-a", "demo", "--yes")
    assert result.status == 0
    assert result.err.endswith("Changing A, NEW, GONE on demo... done, v4\n")
    sent = [json.loads(body) for request, _, body in canned.seen if request.startswith("PATCH")]
    assert sent == [{"A": "2", "NEW": "a b", "GONE": None}]


def test_nothing_is_sent_when_nothing_was_changed(
    demo: Broker, canned: Canned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(tmp_path, "", monkeypatch)
    assert demo("config:edit", "-a", "demo").err == "Nothing was changed.\n"
    assert all(request.startswith("GET") for request, _, _ in canned.seen)


def test_a_broken_line_or_a_failing_editor_sends_nothing(
    demo: Broker, canned: Canned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(tmp_path, "text += 'nonsense'", monkeypatch)
    assert "line 5: expected NAME=value" in demo("config:edit", "-a", "demo").err
    editor(tmp_path, "sys.exit(3)", monkeypatch)
    assert "status 3" in demo("config:edit", "-a", "demo").err
    monkeypatch.setenv("EDITOR", "no-such-editor")
    assert "Set EDITOR" in demo("config:edit", "-a", "demo").err
    assert all(request.startswith("GET") for request, _, _ in canned.seen)


def test_a_change_by_somebody_else_meanwhile_is_not_overwritten(
    demo: Broker, canned: Canned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canned.answer("GET /apps/demo/config-vars", 200, {**BEFORE, "C": "3"})
    editor(tmp_path, "text += 'D=4'", monkeypatch)
    result = demo("config:edit", "-a", "demo", "-y")
    assert result.status == 1
    assert "by somebody else" in result.err


def test_differences_remove_with_none() -> None:
    assert differences({"A": "1", "B": "2"}, {"A": "1", "C": "3"}) == {"C": "3", "B": None}
