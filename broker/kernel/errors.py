"""Every refusal the broker can give, as exceptions with a stable public `id` and a free message.

No HTTP here: each face owns a table from class to status and body. Nothing below `kernel` raises anything else on purpose.
"""

from __future__ import annotations

from typing import Any, ClassVar


class BrokerError(Exception):
    """A refusal with a stable id that clients match on and a sentence that says what to do."""

    id: ClassVar[str] = "internal_error"

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields
        """Further public members of the error body, such as `resource` or `app`."""


class Unauthorized(BrokerError):
    """The caller did not say who it is, or said it wrongly."""

    id = "unauthorized"


class InvalidClient(Unauthorized):
    """The client secret is not one of the service's, or of the client's."""

    id = "invalid_client"


class Forbidden(BrokerError):
    """The caller is known, and its token or role does not reach this far."""

    id = "forbidden"


class AccountLocked(Forbidden):
    """The operators have locked the account: nothing lets anybody in until they unlock it. The word is the Platform API's."""

    id = "suspended"

    def __init__(self, contact: str = "") -> None:
        whom = f": {contact}" if contact else ""
        super().__init__(f"This account is locked. Ask the operators of this broker{whom}.")


class TwoFactorRequired(Forbidden):
    """A code of the second factor is missing or wrong: repeat the request with it in `Heroku-Two-Factor-Code`."""

    id = "two_factor"


class NotFound(BrokerError):
    """There is no such thing, or it is somebody else's: the two answer alike."""

    id = "not_found"

    def __init__(self, resource: str, message: str | None = None) -> None:
        named = resource.replace("add_on", "add-on").replace("_", " ")
        super().__init__(message or f"Couldn't find that {named}.", resource=resource)


class InvalidParams(BrokerError):
    """A parameter is missing, malformed or impossible."""

    id = "invalid_params"


class BadRequest(BrokerError):
    """The request cannot be read at all (not JSON, wrong type of body)."""

    id = "bad_request"


class InvalidGrant(BadRequest):
    """The code or refresh token is unknown, used, expired, or its add-on is gone."""

    id = "invalid_grant"


class UnsupportedMediaType(BrokerError):
    """The body is of a type that this endpoint does not read."""

    id = "unsupported_media_type"


class PayloadTooLarge(BrokerError):
    """The body is larger than the broker reads."""

    id = "payload_too_large"


class NameTaken(InvalidParams):
    """The name is in use. Clients match on this very message."""

    def __init__(self) -> None:
        super().__init__("Name is already taken")


class MultipleMatches(BrokerError):
    """A name fits several things; the message lists them."""

    id = "multiple_matches"


class ConfirmationRequired(BrokerError):
    """The change would overwrite something: repeat it with `confirm` set to the app's name."""

    id = "confirmation_required"


class Conflict(BrokerError):
    """The thing is in a state in which this cannot be done now."""

    id = "conflict"


class PaymentRequired(BrokerError):
    """The payer has to act first."""

    id = "delinquent"


class BudgetExceeded(PaymentRequired):
    """It would cost more than a budget allows: a smaller plan, a higher limit, or the owner's approval (`--request`) helps."""

    id = "budget_exceeded"


class Unverified(PaymentRequired):
    """Paid plans need a payment method, and the account that would pay has none: add one, then try again."""

    id = "verification_required"


class ProviderRefused(InvalidParams):
    """The provider said no; the message is the provider's own."""


class ProviderUnavailable(BrokerError):
    """The provider cannot be reached, or answers nonsense."""

    id = "provider_unavailable"


class Overloaded(BrokerError):
    """The broker is out of some bounded resource; try again shortly."""

    id = "service_unavailable"


class Paused(Overloaded):
    """The operators have switched this off for a while, and say why."""

    id = "paused"


class DatabaseUnavailable(Overloaded):
    """The database is away, or every connection to it is busy: what was asked for may have been done or not."""


class RequestTimeout(BrokerError):
    """The client takes too long to send its request."""

    id = "request_timeout"


class RateLimited(BrokerError):
    """Too many requests with one token."""

    id = "rate_limit"
