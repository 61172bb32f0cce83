"""Keeps child processes running: starts them, waits until they answer, starts them again with back-off, stops them.

Which programs these are is not known here.
"""

import asyncio
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from embedded.processes import EngineError, tail


class ServiceError(Exception):
    """A child did not come up; the message quotes the end of its log."""


@dataclass(frozen=True)
class Service:
    """One program to keep running.

    `spawn` is called in the main thread for every start; `answers` is asked until it says that the child is ready.
    """

    name: str
    spawn: Callable[[], subprocess.Popen[bytes]]
    answers: Callable[[], Awaitable[bool]]
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    stop_s: float = 7.0


@dataclass(frozen=True)
class Pace:
    """How patient the supervisor is.

    Units: seconds. `steady_s` is the life after which the next failure counts as the first again.
    """

    poll_s: float = 0.1
    first_delay_s: float = 0.5
    longest_delay_s: float = 30.0
    steady_s: float = 60.0
    start_s: float = 90.0


class Keeper:
    """Keeps one service running from `Supervisor.launch` to `stop`."""

    def __init__(self, service: Service, pace: Pace, report: Callable[[str], None]) -> None:
        self.service = service
        self._pace = pace
        self._report = report
        self._process: subprocess.Popen[bytes] | None = None
        self._first_answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep(), name=f"keep {service.name}")

    @property
    def pid(self) -> int | None:
        """The process of this moment; None while it is down."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    async def answered(self) -> None:
        """Wait for the first answer of the service.

        Raises: ServiceError when its first start failed; later failures are repaired and reported instead.
        """
        await asyncio.shield(self._first_answer)

    async def stop(self) -> None:
        """Ask it to end, and make it end when it takes longer than its `stop_s`."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        if not self._first_answer.cancel() and not self._first_answer.cancelled():
            self._first_answer.exception()  # looked at, so that asyncio does not complain about a start that failed
        if self.pid is not None and self._process is not None:
            self._process.send_signal(self.service.stop_signal)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended(), self.service.stop_s)
        self.kill()
        await self._ended()

    def kill(self) -> None:
        if self.pid is not None and self._process is not None:
            self._process.kill()

    async def _keep(self) -> None:
        try:
            await self._start()
        except ServiceError as error:
            self._first_answer.set_exception(error)
            return
        self._first_answer.set_result(None)
        delay_s = 0.0
        while True:
            lived_s = await self._ended()
            delay_s = self._next_delay(delay_s, lived_s)
            self._report(f"{self.service.name} {self._how_it_ended()}; starting it again in {delay_s:.1f} s")
            await asyncio.sleep(delay_s)
            try:
                await self._start()
            except ServiceError as error:
                self._report(str(error))
            else:
                self._report(f"{self.service.name} is running again")

    def _next_delay(self, last_s: float, lived_s: float) -> float:
        if lived_s >= self._pace.steady_s or last_s == 0:
            return self._pace.first_delay_s
        return min(last_s * 2, self._pace.longest_delay_s)

    async def _start(self) -> None:
        try:
            self._process = self.service.spawn()
        except (EngineError, OSError) as error:
            self._process = None
            raise ServiceError(f"{self.service.name} cannot be started: {error}") from error
        deadline = time.monotonic() + self._pace.start_s
        while not await self.service.answers():
            if self.pid is None:
                raise ServiceError(f"{self.service.name} {self._how_it_ended()} while starting.{self._quote()}")
            if time.monotonic() > deadline:
                self.kill()
                raise ServiceError(f"{self.service.name} did not answer in {self._pace.start_s:.0f} s.{self._quote()}")
            await asyncio.sleep(self._pace.poll_s)

    async def _ended(self) -> float:
        """Wait for the end of the process; answers how long that took."""
        since = time.monotonic()
        while self.pid is not None:  # noqa: ASYNC110 - the end of a process is no event everywhere, but can be asked for
            await asyncio.sleep(self._pace.poll_s)
        return time.monotonic() - since

    def _how_it_ended(self) -> str:
        code = self._process.poll() if self._process is not None else None
        if code is None:
            return "is down"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"

    def _quote(self) -> str:
        return f" The end of {self.service.log}:\n{tail(self.service.log)}"


class Supervisor:
    """Keeps services running; those launched later may need the earlier ones, so they are stopped first.

    `report` is told, in one line, about every end and restart.
    """

    def __init__(self, report: Callable[[str], None], pace: Pace | None = None) -> None:
        self._report = report
        self._pace = pace or Pace()
        self._stages: list[list[Keeper]] = []

    def launch(self, *services: Service) -> list[Keeper]:
        """Start services beside one another without waiting for them."""
        self._stages.append([Keeper(service, self._pace, self._report) for service in services])
        return self._stages[-1]

    async def stop(self) -> None:
        """Stop everything. Takes at most the longest `stop_s` of each stage, summed."""
        for stage in reversed(self._stages):
            await asyncio.gather(*(keeper.stop() for keeper in stage))

    def kill(self) -> None:
        """End every process at once; a `stop` under way then finishes."""
        for stage in self._stages:
            for keeper in stage:
                keeper.kill()
