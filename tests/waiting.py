"""Waiting for what announces itself by no event: rows that another task writes, files that another process makes."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], Awaitable[bool]], within_s: float = 60) -> None:
    """Go on as soon as the condition holds.

    Raises: TimeoutError.
    """
    async with asyncio.timeout(within_s):
        while not await condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.02)
