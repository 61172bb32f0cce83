"""Markdown of providers: that it holds nobody up. What becomes of hostile words is tried on the marketplace's pages."""

import asyncio

from broker.web.markdown import rendered


async def test_a_text_that_takes_long_holds_nobody_up() -> None:
    slow = asyncio.create_task(rendered("![[" * 3000))
    await asyncio.sleep(0)
    assert await rendered("*Short*") == "<p><em>Short</em></p>\n"
    assert not slow.done()
    assert (await slow).startswith("<p>![[")


async def test_only_so_many_are_kept() -> None:
    first = await rendered("first")
    for number in range(600):
        await rendered(f"number {number}")
    assert await rendered("first") == first
