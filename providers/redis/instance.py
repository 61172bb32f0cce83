"""One Valkey process and its directory: start, stop, plan change, removal. Who starts it again is the keeper's matter."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from embedded.processes import open_log, unprivileged
from embedded.valkey import limit_memory, spawn
from providers.redis import conf
from providers.redis.conf import Blueprint
from providers.redis.console import Console, Figures
from providers.redis.plans import Plan

START_TIMEOUT_S = 30.0  # a full premium-2 is read from disk in a few seconds
STOP_TIMEOUT_S = 2.5
ORPHAN_TIMEOUT_S = 6.0
_POLL_S = 0.01
_LOG = "valkey.log"
_LOCK = "lock"


class InstanceError(Exception):
    """The instance cannot be started; the text says so to its user, `detail` says more to the operator."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class PortTaken(InstanceError):
    """Another program listens on the instance's port."""


class Instance:
    """Keys, users and log of one resource live in `directory`; at most one process at a time works in it."""

    def __init__(self, blueprint: Blueprint, directory: Path, program: Path) -> None:
        self.blueprint = blueprint
        self.console = Console(blueprint)
        self._directory = directory
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start the process and wait until it serves. Interrupted or failed, it leaves none behind.

        Raises: InstanceError.
        """
        lock = await self._take_lock()
        try:
            self._prepare()
            self._process = self._spawn(lock)
        finally:
            os.close(lock)  # from here on the child alone holds the lock, to its last breath
        try:
            await self._served(self._process)
        except BaseException:
            self._process.kill()
            self._process.wait()
            await self.console.close()
            raise

    async def ended(self) -> int:
        """Wait for the process's end; its exit code (negative: the signal)."""
        assert self._process is not None
        return await _ended(self._process)

    async def stop(self) -> None:
        """Stop the process, in good order if it can be had: what was written is on disk then. Safe to repeat."""
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                await asyncio.wait_for(_ended(process), STOP_TIMEOUT_S)
            except TimeoutError:  # an endless script, say
                process.kill()
                await _ended(process)
        await self.console.close()

    async def figures(self) -> Figures:
        """Raises: ConsoleError."""
        return await self.console.figures()

    async def change_plan(self, plan: Plan) -> None:
        """Hold the running process to another plan, without a pause for its clients.

        Raises: ConsoleError, EngineError; then the blueprint still has the old plan, and the next start goes back to it.
        """
        assert self._process is not None
        room = max(plan, self.blueprint.plan, key=lambda each: each.memory_bytes)
        limit_memory(self._process.pid, self._directory, room.process_bytes)
        await self.console.apply(plan)
        limit_memory(self._process.pid, self._directory, plan.process_bytes)
        self.blueprint = replace(self.blueprint, plan=plan)
        if not plan.persistent:
            self._forget_keys()

    async def change_users(self, blueprint: Blueprint) -> None:
        """Let the users of another blueprint in, now and after every start; their data stay.

        Raises: ConsoleError; then those in between may get in, and repeating it mends that.
        """
        self.blueprint = blueprint
        await asyncio.to_thread(self._write_users)
        await self.console.let_in(blueprint)

    def _prepare(self) -> None:
        if not self.blueprint.plan.persistent:
            self._forget_keys()
        self._write_users()

    def _write_users(self) -> None:
        users = self._directory / conf.USERS_FILE
        descriptor = os.open(users, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(conf.users(self.blueprint))
        unprivileged(owner_of=self._directory).own(users)

    def _forget_keys(self) -> None:
        shutil.rmtree(self._directory / conf.AOF_FOLDER, ignore_errors=True)

    async def _take_lock(self) -> int:
        """The directory's lock. A process that an earlier life of ours left behind is asked to end first."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            deadline = time.monotonic() + ORPHAN_TIMEOUT_S
            while not _locked(lock):
                await self.console.shut_down()
                if time.monotonic() > deadline:
                    raise InstanceError("Its last process has not ended yet.", f"It works in {self._directory}.")
                await asyncio.sleep(_POLL_S)
        except BaseException:
            os.close(lock)
            raise
        return lock

    def _spawn(self, lock: int) -> subprocess.Popen[bytes]:
        with open_log(self._directory / _LOG) as log:
            return spawn(
                self._program,
                conf.configuration(self.blueprint),
                self._directory,
                log=log,
                keep_open=lock,
                memory_bytes=self.blueprint.plan.process_bytes,
            )

    async def _served(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the process serves, or ends: whoever else is on its port may keep our connection waiting."""
        serving, ending = asyncio.ensure_future(self._serving(process.pid)), asyncio.ensure_future(_ended(process))
        try:
            await asyncio.wait({serving, ending}, timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                raise self._failure()
            if not serving.done():
                raise InstanceError(f"It did not begin to serve within {START_TIMEOUT_S:.0f} s.")
        finally:
            await cancelled(serving, ending)

    async def _serving(self, pid: int) -> None:
        while await self.console.serving_pid() != pid:  # noqa: ASYNC110 (another process sets no event)
            await asyncio.sleep(_POLL_S)

    def _failure(self) -> InstanceError:
        with (self._directory / _LOG).open("rb") as log:
            log.seek(max(log.seek(0, os.SEEK_END) - 2000, 0))
            last = log.read().decode(errors="replace").strip()
        if "Failed listening on port" in last.rpartition("Configuration loaded")[2]:
            port = self.blueprint.port
            return PortTaken(f"Port {port} is used by another program; the instance starts when it is free again.")
        return InstanceError("It ended at its start.", f"The end of {self._directory / _LOG}:\n{last[-600:]}")


async def cancelled(*tasks: asyncio.Future[Any]) -> None:
    """Cancel the tasks and wait for their ends. Asks again: inside the client library a cancellation may get lost."""
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=0.1)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _ended(process: subprocess.Popen[bytes]) -> int:
    """Wait without a thread: the kernel tells (Linux), or we look now and then."""
    try:
        watch = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # not Linux, or already reaped
        while process.poll() is None:  # noqa: ASYNC110 (nothing but the process itself could set an event)
            await asyncio.sleep(0.1)
        return process.wait()
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(watch, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(watch)
        os.close(watch)
    return process.wait()
