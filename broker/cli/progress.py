"""The line that says what is being done: `Adding sendgrid on intu-jokes... done, v8 (free)`, on standard error.

On a terminal it shows the time that has gone by; elsewhere it is written once. Nothing here talks to the broker.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from broker.cli.errors import Interrupted
from broker.cli.output import clean, paint, span

_TICK_S = 0.5


class Progress:
    """A step under way. Leave it with `done(...)`; an exception inside it ends the line with `failed`."""

    def __init__(self, title: str) -> None:
        self._title = f"{clean(title)}... "
        self._out = sys.stderr
        self._live = self._out.isatty()
        self._over = threading.Event()
        self._start = time.monotonic()
        self._ended = False
        self._clock: threading.Thread | None = None
        self._words: Callable[[], str] = str

    def __enter__(self) -> Self:
        self._write(self._title)
        if self._live:
            self._clock = threading.Thread(target=self._tick, daemon=True)
            self._clock.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if not self._ended:
            stopped = kind is not None and issubclass(kind, (KeyboardInterrupt, Interrupted))
            word = "done" if kind is None else "interrupted" if stopped else "failed"
            self._end(word, "red" if word == "failed" else None)

    def tell(self, words: Callable[[], str]) -> None:
        """Show what is going on beside the time, from now on."""
        self._words = words

    def done(self, result: str = "done") -> None:
        """End the line with a result."""
        self._end(clean(result), None)

    def _end(self, words: str, colour: str | None) -> None:
        self._over.set()
        if self._clock:
            self._clock.join()
        self._ended = True
        shown = paint(words, colour, err=True)
        self._write(f"\r\033[K{self._title}{shown}\n" if self._live else f"{shown}\n")

    def _tick(self) -> None:
        while not self._over.wait(_TICK_S):
            elapsed = time.monotonic() - self._start
            if elapsed >= 1:
                words = clean(self._words())
                line = f"{self._title}{span(elapsed)}{f' ({words})' if words else ''}"
                self._write(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
