"""The seam between the protocol and what a provider really does: requests, answers and refusals as values.

A provider implements `Service`; the kit calls it. No HTTP here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable
from uuid import UUID

from providers.kit.manifest import Manifest


@dataclass(frozen=True)
class ProvisionRequest:
    """What the broker asks for. `uuid` is the resource's identity; `name` is empty in the legacy protocol."""

    uuid: UUID
    plan: str
    manifest: Manifest
    name: str = ""
    region: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    callback_url: str = ""


@dataclass(frozen=True)
class Provisioned:
    """A finished resource: the provider's id, its config vars by full name, and a sentence for the user."""

    id: str
    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    message: str | None = None


class ProviderError(Exception):
    """An answer other than success; `message` is shown to the user."""

    status = 503

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status or self.status


class Refused(ProviderError):
    """The request cannot be fulfilled: for good (422), or for the moment (`status=503`)."""

    status = 422


class Gone(ProviderError):
    """The resource was deprovisioned before."""

    status = 410

    def __init__(self, message: str = "This resource was deprovisioned.") -> None:
        super().__init__(message)


class Unknown(ProviderError):
    """No resource with this uuid was ever provisioned here."""

    status = 404

    def __init__(self, message: str = "There is no such resource here.") -> None:
        super().__init__(message)


class Service(Protocol):
    """What a provider implements. The kit runs at most one call per uuid at a time and keeps the resource's row.

    Raises: each of the three verbs may raise `Refused`; any other exception is answered with 503.
    """

    async def start(self) -> None:
        """Bring the engine up and make it agree with the resource store."""

    async def stop(self) -> None:
        """Stop the engine; called once, also when `start` failed half-way."""

    async def healthy(self) -> bool:
        """Whether a request could be fulfilled now."""

    async def provision(self, request: ProvisionRequest) -> Provisioned:
        """Build the resource, or find it built: the same uuid gives the same answer, whatever a crash left behind."""

    async def change_plan(self, uuid: UUID, plan: str, manifest: Manifest) -> Provisioned:
        """Apply a plan's limits without losing data; asking for the current plan again is no error."""

    async def deprovision(self, uuid: UUID) -> None:
        """Remove everything of the resource; what is half built or already removed is no error."""


@runtime_checkable
class Rotating(Protocol):
    """What a provider implements besides, if its manifest declares the capability `rotate`.

    The kit counts the generations and keeps them; passwords follow from `ProviderKey.derive`, so that the same generation
    has the same password again.
    """

    async def config(self, uuid: UUID, manifest: Manifest) -> Provisioned:
        """What holds now: the config vars of the resource's generation in the store."""

    async def issue(self, uuid: UUID, generation: int, manifest: Manifest) -> Provisioned:
        """Let the credentials of this generation in beside those that work; repeating it gives the same answer."""

    async def revoke(self, uuid: UUID, before: int) -> None:
        """Let no credentials in that are older than this generation; what is already out is no error."""


@runtime_checkable
class Lending(Protocol):
    """What a provider implements besides, if its manifest declares the capability `attachment_credentials`.

    A login's secrets follow from its id by `ProviderKey.derive`: each id is used once.
    """

    async def lend(self, uuid: UUID, credential: UUID, read_only: bool, manifest: Manifest) -> Provisioned:
        """Make a login of its own, or find it made: the same `credential` gives the same answer."""

    async def take_back(self, uuid: UUID, credential: UUID) -> None:
        """Remove a login with its sessions; what is already removed, or never was, is no error."""
