"""What others have written does not steer the terminal of whoever reads it, whichever command prints it."""

import io
import json
import sys

import pytest

from broker.cli.output import hand_on, note, paint, say, say_json, tamed
from broker.cli.progress import Progress

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


def test_a_program_is_given_what_it_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    say(STEERING)
    hand_on(STEERING.encode())
    assert capsys.readouterr().out == f"{STEERING}\n{STEERING}"
    say_json({STEERING: "é"})
    told = capsys.readouterr().out
    assert json.loads(told) == {STEERING: "é"}
    assert not steers(told)
