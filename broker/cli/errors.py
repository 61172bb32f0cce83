"""Exit statuses of the command line, and the errors that lead to them.

The one table of statuses is `Exit`; docs/reference/exit-codes.md is generated from it.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What a finished command tells the shell."""

    OK = 0
    FAILED = 1
    USAGE = 2
    LOGIN = 3
    NOT_FOUND = 4
    CONFIRM = 5
    UNREACHABLE = 6
    WAITS = 7
    INTERRUPTED = 130


MEANINGS: dict[Exit, str] = {
    Exit.OK: "Done.",
    Exit.FAILED: "The broker refused, or the operation failed; the reason is on standard error.",
    Exit.USAGE: "The command line is wrong: unknown command or option, missing argument.",
    Exit.LOGIN: "Not logged in, the token is not valid (any more), or the account may not do this.",
    Exit.NOT_FOUND: "The app, add-on, attachment, release or other thing named does not exist (for you).",
    Exit.CONFIRM: "Confirmation is required and there was no terminal to ask on; repeat with `--confirm APP`.",
    Exit.UNREACHABLE: "The broker did not answer, or something that is not a broker did.",
    Exit.WAITS: "Nothing is wrong, and it is not complete yet: `audit:verify` found facts that no worker has sealed.",
    Exit.INTERRUPTED: "Interrupted with Ctrl-C; an operation that had begun goes on in the broker.",
}


class CliError(Exception):
    """A failure with a sentence for the user, perhaps one about what to do, and an exit status."""

    exit = Exit.FAILED

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class NotLoggedIn(CliError):
    exit = Exit.LOGIN


class NotFound(CliError):
    exit = Exit.NOT_FOUND


class ConfirmationMissing(CliError):
    exit = Exit.CONFIRM


class Unreachable(CliError):
    exit = Exit.UNREACHABLE


class Misused(CliError):
    """A command line that click accepts and that still makes no sense."""

    exit = Exit.USAGE


class StillWaiting(CliError):
    """Nothing failed; something that somebody has to set going is not done yet."""

    exit = Exit.WAITS


class Interrupted(CliError):
    exit = Exit.INTERRUPTED


class Refused(CliError):
    """The broker's own error answer: its status, public id and message."""

    def __init__(self, status: int, error_id: str, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.status = status
        self.error_id = error_id


class RefusedLogin(Refused):
    exit = Exit.LOGIN


class RefusedMissing(Refused):
    exit = Exit.NOT_FOUND


class RefusedUnconfirmed(Refused):
    exit = Exit.CONFIRM


LISTS = {
    "app": "apps --all",
    "add_on": "addons --all",
    "add_on_service": "addons:services",
    "authorization": "authorizations",
    "budget": "budgets",
    "budget_request": "budgets:requests",
    "client": "clients",
    "invoice": "invoices",
    "mail": "mails",
    "orphan": "orphans",
    "payment_method": "payment-methods",
    "payout": "payouts",
    "session": "sessions",
    "team": "teams",
    "trial": "trials",
}
"""The command that lists what there is, by the `resource` of an answer that there is no such thing."""


def refusal(
    status: int, error_id: str, message: str, resource: str = "", *, token_from_env: bool = False
) -> Refused:  # fmt: skip
    """The error that stands for an error answer of the broker."""
    if error_id == "confirmation_required":
        return RefusedUnconfirmed(status, error_id, message)
    if status == 401:
        relogin = "Run `broker login` again."
        return RefusedLogin(status, error_id, message, "Check BROKER_TOKEN." if token_from_env else relogin)
    if status == 403:
        return RefusedLogin(status, error_id, message)
    if status == 404:
        lists = LISTS.get(resource)
        return RefusedMissing(status, error_id, message, f"See `broker {lists}`." if lists else None)
    return Refused(status, error_id, message)
