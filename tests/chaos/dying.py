"""Ending a process with SIGKILL at a chosen await: nothing is unwound, nothing is closed, as when the power goes."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any


class _Until:
    """Runs a coroutine and kills the process instead of letting it go on after its `last`-th suspension."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], last: int) -> None:
        self._coroutine = coroutine
        self._left = last

    def __await__(self) -> Generator[Any, Any, None]:
        step: Callable[[], Any] = lambda: self._coroutine.send(None)  # noqa: E731
        while True:
            try:
                suspended_on = step()
            except StopIteration:
                return
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self._left -= 1
            try:
                sent = yield suspended_on
            except BaseException as error:
                step = lambda error=error: self._coroutine.throw(error)  # noqa: E731
            else:
                step = lambda sent=sent: self._coroutine.send(sent)  # noqa: E731


def survives(work: Callable[[], Awaitable[None]], awaits: int) -> bool:
    """Run `work` in a forked process that dies after that many awaits; True if it came to its end before."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            asyncio.run(_run(work, awaits))
            status = 0
        finally:
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    if os.WIFSIGNALED(ended):
        return False
    assert os.waitstatus_to_exitcode(ended) == 0, "the process failed instead of being killed"
    return True


async def _run(work: Callable[[], Awaitable[None]], awaits: int) -> None:
    async def whole() -> None:
        await work()

    await _Until(whole(), awaits)
