"""What others have written does not steer the terminal of whoever reads it, whichever command prints it; nor a spreadsheet."""

import io
import json
import sys

import pytest

from broker.cli.output import hand_on, note, paint, say, say_json, tamed
from broker.cli.progress import Progress
from broker.faces.csv_stream import cell
from broker.logs import tamed as tamed_log

STEERING = (
    "a\x1b[2J\x1b]0;owned\x07\x1b]8;;https://evil.example\x1b\\b\x9b31mc\rd\u202ee\x08\x1b[8mf\x1b[30;40mg\x1bPq\x1b\\"
)
"""Clears, names the window, links, moves back, hides, and speaks to the terminal in eight bits."""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def steers(text: str) -> bool:
    return any(mark in text for mark in ("\x1b", "\x9b", "\x07", "\x08", "\r", "\u202e"))


def test_what_is_put_together_keeps_our_colours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    painted = paint("created", "green", bold=True)
    assert painted.startswith("\x1b[")
    assert tamed(f"{painted} {STEERING}").startswith(f"{painted} ")
    assert not steers(tamed(STEERING))


def test_nothing_printed_on_a_terminal_steers_it(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    say(STEERING)
    hand_on(STEERING.encode())
    say_json({STEERING: [STEERING]})
    note(STEERING)
    with Progress("Adding") as step:
        step.done(STEERING)
    assert not steers(out.getvalue())
    ours = ("\r\x1b[K", "\x1b[0m")  # a line written anew, the end of a colour
    assert not steers(err.getvalue().replace(ours[0], "").replace(ours[1], ""))


def test_no_line_of_a_log_steers_the_terminal_that_shows_it() -> None:
    event = tamed_log(None, "info", {"event": "canary.flown", "fault": STEERING, "passed": True, "many": [STEERING]})
    assert event["passed"] is True
    assert not any(steers(str(value)) for value in event.values())


def test_no_spreadsheet_takes_a_name_for_a_formula() -> None:
    for text in ("=1+1", "+1+1", "-1+1|'/c calc'!a", "@sum(a)", "\t=1", "\r=1", "=cmd@example.com"):
        assert cell(text) == f"'{text}"
    for text in ("-12.50", "+3", "0", "", "a=b", "me@example.com", '{"a": 1}'):
        assert cell(text) == text


def test_a_program_is_given_what_it_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    say(STEERING)
    hand_on(STEERING.encode())
    assert capsys.readouterr().out == f"{STEERING}\n{STEERING}"
    say_json({STEERING: "é"})
    told = capsys.readouterr().out
    assert json.loads(told) == {STEERING: "é"}
    assert not steers(told)
