"""What the heart asks of a provider, and what may come back: requests and replies as values, no protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from broker.kernel.secret import Secret


@dataclass(frozen=True, slots=True)
class ProviderAccess:
    """Where a service's provider is and how the broker proves to be the broker."""

    service: str
    api_version: str
    base_url: str
    url_style: str
    password: Secret
    old_password: Secret | None = None
    """The one before, for a provider that does not know the new one yet."""

    @property
    def is_v1(self) -> bool:
        return self.api_version == "1"


@dataclass(frozen=True, slots=True)
class Grant:
    """A one-time code that the provider may exchange for tokens of this one resource."""

    code: Secret
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ProvisionCall:
    """Make the resource `uuid`; repeating the call must not make a second one."""

    access: ProviderAccess
    uuid: UUID
    name: str
    app_id: UUID
    plan: str
    region: str
    options: Mapping[str, str]
    grant: Grant | None
    requires: tuple[str, ...] = ()
    """What the manifest asks for, of which some has its members in the request."""


@dataclass(frozen=True, slots=True)
class PlanChangeCall:
    """Move the resource to another plan, without losing its data."""

    access: ProviderAccess
    uuid: UUID
    app_id: UUID
    provider_id: str | None
    plan: str


@dataclass(frozen=True, slots=True)
class DeprovisionCall:
    """Remove the resource and its data."""

    access: ProviderAccess
    uuid: UUID
    provider_id: str | None


@dataclass(frozen=True, slots=True)
class RotateCall:
    """Issue new credentials beside those that work now; repeating the call with the same `rotation` gives the same ones.

    Of services with the capability `rotate`, like the two calls below.
    """

    access: ProviderAccess
    uuid: UUID
    provider_id: str | None
    rotation: UUID


@dataclass(frozen=True, slots=True)
class RevokeCall:
    """Withdraw every credential that is older than those of `rotation`."""

    access: ProviderAccess
    uuid: UUID
    provider_id: str | None
    rotation: UUID


@dataclass(frozen=True, slots=True)
class RefreshCall:
    """Say which config holds now."""

    access: ProviderAccess
    uuid: UUID
    provider_id: str | None


@dataclass(frozen=True, slots=True)
class LendCall:
    """Make a login of its own; repeating the call with the same `credential` gives the same one.

    Of services with the capability `attachment_credentials`, like the next.
    """

    access: ProviderAccess
    uuid: UUID
    provider_id: str | None
    credential: UUID
    name: str
    permission: str


@dataclass(frozen=True, slots=True)
class TakeBackCall:
    """Remove a login of its own."""

    access: ProviderAccess
    uuid: UUID
    provider_id: str | None
    credential: UUID


@dataclass(frozen=True, slots=True)
class ListCall:
    """Say which resources there are; of services with the capability `list`."""

    access: ProviderAccess


class Answer(StrEnum):
    """What kind of answer a call got. What follows from it is decided by the table in `outcomes.py`."""

    DONE = "done"
    """2xx with a body that can be used."""
    ACCEPTED = "accepted"
    """202: the provider goes on and will tell."""
    REFUSED = "refused"
    """422 or 503 with a message for the user."""
    UNAUTHORIZED = "unauthorized"
    """401 or 403: the broker's credentials are not accepted."""
    MISSING = "missing"
    """404."""
    GONE = "gone"
    """410: was there once, is no more."""
    TIMEOUT_STATUS = "timeout_status"
    """408."""
    THROTTLED = "throttled"
    """429: not processed, come back later."""
    CLIENT_ERROR = "client_error"
    """Any other 4xx."""
    SERVER_ERROR = "server_error"
    """5xx without a message for the user."""
    REDIRECT = "redirect"
    """3xx: never followed."""
    MALFORMED = "malformed"
    """2xx whose body cannot be used."""
    OVERSIZED = "oversized"
    """More body than the broker reads."""
    NOT_SENT = "not_sent"
    """Refused, not resolved, TLS failure, forbidden address: the request never reached the provider."""
    LOST = "lost"
    """Reset or timed out after sending: it may or may not have happened."""
    DEADLINE = "deadline"
    """No call was made: the provider had accepted, and has not finished in time."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of a provider, without secrets in its `note`."""

    answer: Answer
    status: int | None = None
    message: str | None = None
    provider_id: str | None = None
    config: Mapping[str, Secret] = field(default_factory=dict)
    retry_after_s: float | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One resource as its provider lists it. `uuid` is the id that we gave it."""

    resource_id: str | None
    uuid: UUID | None
    plan: str | None
    state: str | None


@dataclass(frozen=True, slots=True)
class Listing:
    """The answer to a ListCall: `resources` is the whole list if the reply is `done`, else nothing can be concluded."""

    reply: Reply
    resources: tuple[Listed, ...] = ()


class Provisioner(Protocol):
    """Speaks one protocol with providers. Never raises for anything that a provider does: every answer is a Reply."""

    async def provision(self, call: ProvisionCall) -> Reply: ...

    async def change_plan(self, call: PlanChangeCall) -> Reply: ...

    async def deprovision(self, call: DeprovisionCall) -> Reply: ...

    async def rotate(self, call: RotateCall) -> Reply: ...

    async def revoke(self, call: RevokeCall) -> Reply: ...

    async def refresh(self, call: RefreshCall) -> Reply: ...

    async def lend(self, call: LendCall) -> Reply: ...

    async def take_back(self, call: TakeBackCall) -> Reply: ...

    async def list_resources(self, call: ListCall) -> Listing: ...
