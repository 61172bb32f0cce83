"""Developers at work while processes are killed; then quiet, and every promise is checked.

`make chaos N=1000` is the long form; here it is bounded to what a check can bear.
"""

import asyncio
import os
import random
import time
from collections import Counter

import pytest

from tests.chaos.driver import Driver, unfinished
from tests.chaos.invariants import violations
from tests.chaos.stack import Stack, running_stack

OPERATIONS = int(os.environ.get("CHAOS_OPERATIONS", "60"))
SEED = int(os.environ.get("CHAOS_SEED", "20261121"))
QUIET_WITHIN_S = 240

pytestmark = [pytest.mark.journey, pytest.mark.timeout(OPERATIONS * 5 + 600)]


async def _kill_now_and_then(stack: Stack, chance: random.Random, done: asyncio.Event) -> Counter[str]:
    killed: Counter[str] = Counter()
    while not done.is_set():
        await asyncio.sleep(chance.uniform(0.3, 1.6))
        killed[await asyncio.to_thread(stack.kill_something, chance)] += 1
        await asyncio.to_thread(stack.ensure)
    return killed


async def _wait_for_quiet(stack: Stack) -> float:
    began = time.monotonic()
    while time.monotonic() - began < QUIET_WITHIN_S:
        await asyncio.to_thread(stack.ensure)
        if await unfinished(stack) == 0:
            return time.monotonic() - began
        await asyncio.sleep(0.5)
    return time.monotonic() - began


async def test_nothing_is_stuck_lost_doubled_or_leaked_whatever_dies(capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(SEED)
    with running_stack(seed=SEED) as stack:
        driver, done = Driver(stack, OPERATIONS, SEED), asyncio.Event()
        killing = asyncio.create_task(_kill_now_and_then(stack, chance, done))
        await driver.run()
        done.set()
        killed = await killing
        await asyncio.to_thread(stack.wait_until_ready)
        quiet = await _wait_for_quiet(stack)
        async with driver.client() as client:
            broken = await violations(stack, client)
        figures = driver.figures
        with capsys.disabled():
            print(
                f"\nchaos: {figures.operations} operations, {stack.kills} kills ({dict(killed)}),"
                f" answers {dict(figures.answers)}, quiet after {quiet:.1f} s, {len(broken)} violations"
            )
        assert broken == [], "\n".join(broken)
        failed = [line for line in stack.logs().splitlines() if "request.failed" in line]
        assert figures.unexpected == [], "\n".join(failed)
        assert stack.kills > 0
