"""What `broker up` says while it starts and runs. Colour on a terminal only; passwords on a terminal only."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from broker.local.mailbox import Mail
from broker.local.seed import DemoAccount

_GREEN, _RED, _BOLD, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[1m", "\x1b[0m"


class Console:
    """Progress on `out`, trouble on `err`."""

    def __init__(self, out: TextIO = sys.stdout, err: TextIO = sys.stderr) -> None:
        self._out = out
        self._err = err
        self._interactive = out.isatty()
        self._coloured = self._interactive and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """ "Starting PostgreSQL... done (0.8 s)"; the line is closed without "done" when the block fails."""
        self._write(f"{what}... ")
        since = time.monotonic()
        try:
            yield
        except BaseException:
            self._write("\n")
            raise
        self._write(f"{self._in(_GREEN, 'done')} ({time.monotonic() - since:.1f} s)\n")

    def say(self, line: str = "") -> None:
        self._write(f"{line}\n")

    def trouble(self, line: str) -> None:
        print(self._in(_RED, line), file=self._err, flush=True)

    def welcome(self, url: str, account: DemoAccount, home: Path) -> None:
        """Where it is and how to log in."""
        password = account.password if self._interactive else f"see {home / 'demo.json'}"
        self.say(f"\nAddon Broker is up at {self._in(_BOLD, url)}")
        self.say(f"  email     {account.email}")
        self.say(f"  password  {password}")
        self.say(f"  login     broker login --url {url}")
        self.say(f"  logs      {home / 'logs'}")
        self.say("Ctrl-C stops everything.")

    def mail(self, mail: Mail) -> None:
        """A mail that there is no server for. On a terminal with its links, which are for its receiver alone."""
        self.say(f"\n{self._in(_BOLD, 'Mail')} to {_plain(mail.to)}: {_plain(mail.subject)}")
        if self._interactive:
            self.say("\n".join(f"  {_plain(line)}" for line in mail.text.splitlines()))
        else:
            self.say(f"  see {mail.file}")

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._coloured else text

    def _write(self, text: str) -> None:
        with suppress(BrokenPipeError):  # nobody reads any more, as after `| head`; what runs is to run on
            self._out.write(text)
            self._out.flush()


def _plain(text: str) -> str:
    """Somebody else's words without what would steer the terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
