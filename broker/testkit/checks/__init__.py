"""The checks, a module per group. Importing this package registers all of them, in the order in which they run."""

from __future__ import annotations

from broker.testkit.checks import asynchronous as asynchronous
from broker.testkit.checks import (
    auth,
    concurrency,
    config,
    deprovision,
    errors,
    idempotency,
    latency,
    logins,
    planchange,
    provision,
    rotation,
    sso,
)

__all__ = [
    "asynchronous", "auth", "concurrency", "config", "deprovision", "errors", "idempotency", "latency", "logins", "planchange",
    "provision", "rotation", "sso",
]  # fmt: skip
