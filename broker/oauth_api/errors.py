"""Refusals of the token endpoint. Source: RFC 6749, section 5.2."""

from __future__ import annotations

from typing import Final

from broker.faces.answers import Answer
from broker.faces.errors import status_of
from broker.kernel import errors

WORDS: Final[dict[type[errors.BrokerError], str]] = {
    errors.InvalidGrant: "invalid_grant",
    errors.Unauthorized: "invalid_client",
    errors.Forbidden: "access_denied",
    errors.Overloaded: "temporarily_unavailable",
    errors.RateLimited: "temporarily_unavailable",
}
"""A class that is not here answers like the nearest one that it derives from, else `invalid_request`."""

UNCACHED: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def word_of(kind: type[errors.BrokerError]) -> str:
    """The `error` of a class of errors."""
    usual = "invalid_request" if status_of(kind) < 500 else "server_error"
    return next((WORDS[base] for base in kind.__mro__ if base in WORDS), usual)


def refusal(error: errors.BrokerError) -> Answer:
    """The answer to a request that was refused."""
    status = status_of(type(error))
    headers = UNCACHED | ({"WWW-Authenticate": 'Basic realm="broker"'} if status == 401 else {})
    return told(word_of(type(error)), error.message, status, headers)


def told(word: str, description: str, status: int = 400, headers: dict[str, str] = UNCACHED) -> Answer:
    """A refusal in the words of the specification, which knows ASCII only and no quotes in descriptions."""
    said = "".join(c if " " <= c <= "~" else "?" for c in description).replace('"', "'").replace("\\", "/")
    return Answer({"error": word, "error_description": said}, status, headers)
