"""Keeps instances running: one keeper per instance starts it again whenever it ends, with growing pauses."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from providers.redis.instance import Instance, InstanceError, cancelled

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 10.0
STABLE_AFTER_S = 10.0

STARTING = "It is being started."
STOPPED = "It was stopped."

log = logging.getLogger("provider.redis")


class Keeper:
    """Holds one instance up between `begin` and `end`. `trouble` says why it is down at the moment, if it is."""

    def __init__(self, name: str, instance: Instance) -> None:
        self.instance = instance
        self.restarts = 0
        self.trouble: str | None = STARTING
        self._name = name
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def abandoned(self) -> bool:
        """Whether nobody would start the instance again if it ended now; only a bug of ours brings that about."""
        return self._task is not None and self._task.done()

    def begin(self) -> None:
        """Start the instance and keep it up, however long its first start takes."""
        self._task = asyncio.create_task(self._keep(started=False), name=f"keep {self._name}")

    async def launch(self) -> None:
        """Start the instance and keep it up from then on.

        Raises: InstanceError when the first start fails; then there is nothing to keep.
        """
        await self.instance.start()
        self._task = asyncio.create_task(self._keep(started=True), name=f"keep {self._name}")
        self._note_up()

    async def running(self, timeout_s: float) -> bool:
        """Wait until the instance serves; False when it does not in time."""
        return await self.until(lambda: self.trouble is None, timeout_s)

    async def tried(self, timeout_s: float) -> bool:
        """Wait until the first start has succeeded or failed; False when it has not in time."""
        return await self.until(lambda: self.trouble != STARTING, timeout_s)

    async def until(self, reached: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until a state of this keeper is `reached`; False when it is not in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not reached():
                    await self._changed.wait()
        return reached()

    async def end(self) -> None:
        """Stop the instance and leave it stopped. Safe to repeat."""
        if self._task is not None:
            await cancelled(self._task)
        await self.instance.stop()
        self._note(STOPPED)

    async def _keep(self, started: bool) -> None:
        pause = FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            if started or await self._start():
                code = await self.instance.ended()
                self.restarts += 1
                self._note_down(f"It ended unexpectedly ({_cause(code)}) and is being started again.")
            started = False
            if time.monotonic() - began > STABLE_AFTER_S:
                pause = FIRST_PAUSE_S
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _start(self) -> bool:
        try:
            await self.instance.start()
        except InstanceError as error:
            self._note_down(str(error), error.detail)
            return False
        except OSError as error:  # no descriptor, process or disk space left: it may be better at the next try
            self._note_down("It cannot be started.", str(error))
            return False
        self._note_up()
        return True

    def _note_up(self) -> None:
        log.info("instance.up %s", self._name)
        self._note(None)

    def _note_down(self, trouble: str, detail: str = "") -> None:
        if trouble != self.trouble:
            log.warning("instance.down %s %s %s", self._name, trouble, detail)
        self._note(trouble)

    def _note(self, trouble: str | None) -> None:
        self.trouble = trouble
        self._changed.set()
        self._changed = asyncio.Event()


def _cause(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
