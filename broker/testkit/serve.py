"""Starts and ends a marketplace for one provider: the page, what the provider calls, the removal at the end."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator

from broker.kernel.clock import SystemClock
from broker.testkit.callbacks import Callbacks
from broker.testkit.expectations import Expectations
from broker.testkit.listen import origin_of, served
from broker.testkit.marketplace import Marketplace
from broker.testkit.probe import Limits, Probe
from broker.testkit.redact import Redactor
from broker.testkit.subject import Subject
from broker.testkit.transport import new_client


@contextlib.asynccontextmanager
async def marketplace(subject: Subject, listener: socket.socket) -> AsyncIterator[list[str]]:
    """Serve while the block runs. What could not be removed afterwards is then in the list that it gives."""
    expectations, redactor = Expectations(), Redactor()
    redactor.learn(subject.manifest.password.reveal())
    if subject.manifest.sso_salt is not None:
        redactor.learn(subject.manifest.sso_salt.reveal())
    left: list[str] = []
    async with new_client(subject.resources_url) as client:
        probe = Probe(
            subject, client, expectations, redactor, origin_of(listener), Limits(), frozenset(), SystemClock().now
        )
        pages = Marketplace(probe, Callbacks(subject.manifest, expectations, redactor))
        async with served(pages.app(), listener):
            try:
                yield left
            finally:
                left += await probe.remove_all()
