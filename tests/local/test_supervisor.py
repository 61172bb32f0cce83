"""The supervisor, with real children: small Python programs that write down what happens to them."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from broker.local.supervisor import Pace, Service, ServiceError, Supervisor
from embedded.processes import die_with_parent, open_log
from tests.processes import exists, gone

QUICK = Pace(poll_s=0.01, first_delay_s=0.05, longest_delay_s=0.2, steady_s=5, start_s=10)

OBEDIENT = "import time, pathlib, sys; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + OBEDIENT
BROKEN = "import sys; print('no such file: settings.ini', file=sys.stderr); sys.exit(3)"


class Program:
    """A child program that has answered once its sign, a file, is there."""

    def __init__(self, folder: Path, source: str) -> None:
        self.sign, self.log, self.source, self.spawned = folder / "sign", folder / "log", source, 0

    def spawn(self) -> subprocess.Popen[bytes]:
        self.spawned += 1
        self.sign.unlink(missing_ok=True)
        with open_log(self.log) as log:
            return subprocess.Popen([sys.executable, "-c", self.source, str(self.sign)], stdout=log, stderr=log)

    async def answers(self) -> bool:
        return self.sign.exists()

    def service(self, stop_s: float = 5) -> Service:
        return Service("the child", self.spawn, self.answers, self.log, stop_s=stop_s)


class Reports:
    """What was reported, and a way to wait for it."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changed = asyncio.Event()

    def add(self, line: str) -> None:
        self.lines.append(line)
        self._changed.set()

    async def wait_for(self, words: str, times: int = 1) -> None:
        async with asyncio.timeout(10):
            while sum(words in line for line in self.lines) < times:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def supervised() -> AsyncIterator[tuple[Supervisor, Reports]]:
    reports = Reports()
    supervisor = Supervisor(reports.add, QUICK)
    try:
        yield supervisor, reports
    finally:
        await supervisor.stop()


async def test_a_child_that_dies_is_started_again(tmp_path: Path) -> None:
    async with supervised() as (supervisor, reports):
        [keeper] = supervisor.launch(Program(tmp_path, OBEDIENT).service())
        await keeper.answered()
        first = keeper.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await reports.wait_for("the child is running again")
        assert "the child was ended by SIGKILL; starting it again in 0.1 s" in reports.lines
        assert keeper.pid not in (None, first)


async def test_the_pause_before_a_restart_doubles_up_to_a_bound(tmp_path: Path) -> None:
    program = Program(tmp_path, OBEDIENT)
    async with supervised() as (supervisor, reports):
        [keeper] = supervisor.launch(program.service())
        await keeper.answered()
        program.source = BROKEN
        assert keeper.pid is not None
        os.kill(keeper.pid, signal.SIGKILL)
        await reports.wait_for("starting it again", times=4)
    pauses = [line.split(" in ")[-1] for line in reports.lines if "starting it again" in line]
    assert pauses[:4] == ["0.1 s", "0.1 s", "0.2 s", "0.2 s"]


async def test_a_child_that_fails_at_its_first_start_is_reported_with_its_last_words(tmp_path: Path) -> None:
    program = Program(tmp_path, BROKEN)
    async with supervised() as (supervisor, _):
        [keeper] = supervisor.launch(program.service())
        with pytest.raises(ServiceError, match=r"the child ended with status 3 while starting(?s:.*)settings.ini"):
            await keeper.answered()
        assert program.spawned == 1


async def test_a_child_that_never_answers_is_given_up_and_ended(tmp_path: Path) -> None:
    program = Program(tmp_path, "import time; time.sleep(600)")
    supervisor = Supervisor(print, Pace(poll_s=0.01, start_s=0.3))
    [keeper] = supervisor.launch(program.service())
    with pytest.raises(ServiceError, match="did not answer"):
        await keeper.answered()
    await supervisor.stop()
    assert keeper.pid is None


async def test_a_program_that_cannot_be_executed_is_a_plain_error(tmp_path: Path) -> None:
    def spawn() -> subprocess.Popen[bytes]:
        return subprocess.Popen([tmp_path / "missing"])

    async with supervised() as (supervisor, _):
        [keeper] = supervisor.launch(Service("the child", spawn, Program(tmp_path, "").answers, tmp_path / "log"))
        with pytest.raises(ServiceError, match="the child cannot be started"):
            await keeper.answered()


async def test_a_stop_asks_first(tmp_path: Path) -> None:
    polite = "import signal, sys, pathlib; signal.signal(signal.SIGTERM, lambda *_: sys.exit('goodbye')); " + OBEDIENT
    program = Program(tmp_path, polite)
    async with supervised() as (supervisor, _):
        [keeper] = supervisor.launch(program.service())
        await keeper.answered()
    assert program.log.read_text() == "goodbye\n"
    assert keeper.pid is None


@pytest.mark.parametrize("how", ["by time", "by kill"])
async def test_a_child_that_does_not_obey_is_killed(tmp_path: Path, how: str) -> None:
    async with supervised() as (supervisor, _):
        [keeper] = supervisor.launch(Program(tmp_path, STUBBORN).service(stop_s=0.3 if how == "by time" else 60))
        await keeper.answered()
        pid = keeper.pid
        assert pid is not None
        since = time.monotonic()
        stopping = asyncio.create_task(supervisor.stop())
        if how == "by kill":
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(0.1, supervisor.kill)
        await stopping
        assert time.monotonic() - since < 5
        assert not exists(pid)


async def test_a_stop_during_the_start_leaves_nothing(tmp_path: Path) -> None:
    program = Program(tmp_path, "import time; time.sleep(600)")
    async with supervised() as (supervisor, _):
        [keeper] = supervisor.launch(program.service())
        await asyncio.sleep(0)  # lets the keeper spawn
        pid = keeper.pid
        assert pid is not None
    assert not exists(pid)
    with pytest.raises(asyncio.CancelledError):
        await keeper.answered()


async def test_what_was_launched_later_is_stopped_earlier(tmp_path: Path) -> None:
    order = tmp_path / "order"
    async with supervised() as (supervisor, _):
        for name in ("database", "broker"):
            (tmp_path / name).mkdir()
            farewell = f"open({str(order)!r}, 'a').write('{name} ')"
            noting = f"import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit({farewell})); {OBEDIENT}"
            [keeper] = supervisor.launch(Program(tmp_path / name, noting).service())
            await keeper.answered()
    assert order.read_text() == "broker database "


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import os, signal, subprocess, sys
        from embedded.processes import die_with_parent
        child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, preexec_fn=die_with_parent(signal.SIGKILL))
        print(child.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    killed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL
    assert gone(int(killed.stdout))


async def test_outside_the_main_thread_no_tie_is_made() -> None:
    assert await asyncio.to_thread(die_with_parent) is None
