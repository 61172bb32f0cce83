"""What `broker up` prints, on a terminal and elsewhere."""

import io
from pathlib import Path

import pytest

from broker.local.console import Console
from broker.local.seed import DemoAccount

ACCOUNT = DemoAccount("demo@broker.localhost", "canary-password", "canary-token")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_step_says_when_it_is_done() -> None:
    out = io.StringIO()
    with Console(out).step("Starting PostgreSQL"):
        assert out.getvalue() == "Starting PostgreSQL... "
    assert out.getvalue() == "Starting PostgreSQL... done (0.0 s)\n"


def test_a_step_that_fails_is_not_called_done() -> None:
    out = io.StringIO()
    with pytest.raises(LookupError), Console(out).step("Starting PostgreSQL"):
        raise LookupError
    assert out.getvalue() == "Starting PostgreSQL... \n"


def test_the_password_is_shown_on_a_terminal() -> None:
    out = Terminal()
    Console(out).welcome("http://127.0.0.1:5000", ACCOUNT, Path("/home/of/broker"))
    assert "canary-password" in out.getvalue()
    assert "http://127.0.0.1:5000" in out.getvalue()


def test_output_that_goes_to_a_file_has_no_secret_and_no_colour() -> None:
    out, err = io.StringIO(), io.StringIO()
    console = Console(out, err)
    console.welcome("http://127.0.0.1:5000", ACCOUNT, Path("/home/of/broker"))
    console.trouble("provider mail ended with status 1")
    written = out.getvalue() + err.getvalue()
    assert "password  see /home/of/broker/demo.json" in written
    assert "canary" not in written
    assert "\x1b" not in written


def test_colour_can_be_declined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = Terminal()
    Console(coloured).welcome("http://127.0.0.1:5000", ACCOUNT, Path("/"))
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    Console(plain).welcome("http://127.0.0.1:5000", ACCOUNT, Path("/"))
    assert "\x1b[" in coloured.getvalue()
    assert "\x1b[" not in plain.getvalue()


class Abandoned(io.StringIO):
    """As standard output is after `| head` has ended."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_reader_that_has_gone_does_not_stop_the_broker() -> None:
    out = Abandoned()
    Console(out).say("Starting PostgreSQL")
    assert out.getvalue() == ""
