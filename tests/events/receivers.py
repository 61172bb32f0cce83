"""Receivers of webhooks that are functions: what they were told, and what they answer."""

import asyncio
from dataclasses import dataclass, field

from broker.events.attempts import Attempt, Receipt

OK = Receipt(200)
DOWN = Receipt(503)


async def nobody(attempt: Attempt) -> Receipt:
    """For worlds in which nothing is told."""
    raise AssertionError(f"nobody listens at {attempt.url}")


@dataclass
class Receiver:
    """Answers in turn, the last answer for ever. While it is closed, it answers nobody."""

    answers: list[Receipt] = field(default_factory=lambda: [OK])
    told: list[Attempt] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    async def __call__(self, attempt: Attempt) -> Receipt:
        self.told.append(attempt)
        self.reached.set()
        await self.open.wait()
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
