"""Asking before something is overwritten or destroyed: on a terminal the user types the app's name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import click

from broker.cli.errors import CliError, ConfirmationMissing, RefusedUnconfirmed
from broker.cli.output import clean, note, warn

T = TypeVar("T")


def can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def require_name(app: str, given: str | None, warning: str) -> None:
    """Return only when the user has confirmed with the name of the app.

    Raises: ConfirmationMissing without a terminal, CliError when another name was given.
    """
    if given is None:
        given = _ask(app, warning)
    if given != app:
        raise CliError(f"Confirmation {clean(given)!r} does not match {app!r}: nothing was done.")


def with_confirmation(app: str, given: str | None, attempt: Callable[[str | None], T]) -> T:
    """Run the attempt; when the broker wants a confirmation, ask for it and run it once more.

    Raises: ConfirmationMissing without a terminal.
    """
    try:
        return attempt(given)
    except RefusedUnconfirmed as refused:
        if given is not None:
            raise
        typed = _ask(app, refused.message)
    if typed != app:
        raise CliError(f"Confirmation {clean(typed)!r} does not match {app!r}: nothing was done.")
    return attempt(typed)


def _ask(app: str, warning: str) -> str:
    if not can_ask():
        raise ConfirmationMissing(warning, f"To go ahead, repeat the command with --confirm {app}")
    warn(warning)
    note(f"To go ahead, type {app} or repeat the command with --confirm {app}")
    return str(click.prompt(">", prompt_suffix=" ", err=True)).strip()
