"""Providers that are wrong in one place each, by the group of checks that must tell it."""

from tests.testkit.mutants import (
    asynchronous,
    auth,
    config,
    credentials,
    deprovision,
    errors,
    idempotency,
    load,
    manifest,
    planchange,
    provision,
    sso,
)
from tests.testkit.mutants.registry import MUTANTS

__all__ = [
    "MUTANTS",
    "asynchronous",
    "auth",
    "config",
    "credentials",
    "deprovision",
    "errors",
    "idempotency",
    "load",
    "manifest",
    "planchange",
    "provision",
    "sso",
]
