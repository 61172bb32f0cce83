"""Idempotency: turns calls that may arrive twice, late or at once into at most one resource per uuid. No HTTP here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID
from weakref import WeakValueDictionary

from providers.kit.manifest import Manifest
from providers.kit.service import Gone, Lending, Provisioned, ProvisionRequest, Refused, Rotating, Service, Unknown
from providers.kit.store import Resource, ResourceStore, State


class Lifecycle:
    """Keeps the resource's row and calls the service, one call per uuid at a time."""

    def __init__(self, service: Service, store: ResourceStore, clock: Callable[[], datetime]) -> None:
        self._service = service
        self._store = store
        self._clock = clock
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def provision(self, request: ProvisionRequest) -> Provisioned:
        """Provision once. A repeated uuid gets the resource it has, on the plan it has, whatever the repeat says."""
        async with self._lock(request.uuid):
            resource = self._store.find(request.uuid) or self._begin(request)
            if resource.manifest != request.manifest.id:
                raise Refused("This uuid belongs to a resource of another add-on service.")
            if resource.state is State.GONE:
                raise Gone
            try:
                answer = await self._service.provision(replace(request, plan=resource.plan))
            except Refused:
                if resource.state is State.CREATING:
                    await self._undo(request.uuid)
                raise
            self._store.activate(request.uuid)
            return _declared(answer, request.manifest)

    async def change_plan(self, uuid: UUID, plan: str, manifest: Manifest) -> Provisioned:
        """Change the plan; the current one asked for again gives the same answer again."""
        async with self._lock(uuid):
            self._owned(uuid, manifest)
            answer = await self._service.change_plan(uuid, plan, manifest)
            self._store.set_plan(uuid, plan)
            return _declared(answer, manifest)

    async def deprovision(self, uuid: UUID, manifest: Manifest) -> None:
        """Remove the resource and leave its tombstone.

        Raises: Gone when it was removed before, Unknown when it was never here.
        """
        async with self._lock(uuid):
            self._owned(uuid, manifest)
            await self._service.deprovision(uuid)
            self._store.bury(uuid, self._clock())

    async def config(self, uuid: UUID, manifest: Manifest) -> Provisioned:
        """The config vars that hold now."""
        async with self._lock(uuid):
            self._in_use(uuid, manifest)
            return _declared(await self._rotating().config(uuid, manifest), manifest)

    async def rotate(self, uuid: UUID, rotation: UUID, manifest: Manifest) -> Provisioned:
        """Issue credentials beside those that work. A repeated rotation gets the same ones, as long as they work."""
        async with self._lock(uuid):
            resource, service = self._in_use(uuid, manifest), self._rotating()
            known = self._store.find_rotation(uuid, rotation)
            if known is not None and known not in resource.generations:
                raise Refused("The credentials of this rotation were revoked since.")
            generation = resource.generation + 1 if known is None else known
            answer = _declared(await service.issue(uuid, generation, manifest), manifest)
            if known is None:
                self._store.add_rotation(uuid, rotation, generation)
            return answer

    async def revoke(self, uuid: UUID, rotation: UUID, manifest: Manifest) -> None:
        """Let only credentials in that this rotation has issued, or a later one.

        Raises: Unknown when it has issued none.
        """
        async with self._lock(uuid):
            self._in_use(uuid, manifest)
            generation = self._store.find_rotation(uuid, rotation)
            if generation is None:
                raise Unknown("There is no such rotation here.")
            await self._rotating().revoke(uuid, generation)
            self._store.revoke_before(uuid, rotation)

    async def lend(self, uuid: UUID, credential: UUID, read_only: bool, manifest: Manifest) -> Provisioned:
        """Make a login of its own."""
        async with self._lock(uuid):
            self._in_use(uuid, manifest)
            return _declared(await self._lending().lend(uuid, credential, read_only, manifest), manifest)

    async def take_back(self, uuid: UUID, credential: UUID, manifest: Manifest) -> None:
        """Remove a login of its own."""
        async with self._lock(uuid):
            self._in_use(uuid, manifest)
            await self._lending().take_back(uuid, credential)

    def _lending(self) -> Lending:
        if not isinstance(self._service, Lending):
            raise Unknown("This provider gives out no logins of their own.")
        return self._service

    def _rotating(self) -> Rotating:
        if not isinstance(self._service, Rotating):
            raise Unknown("This provider does not rotate credentials.")
        return self._service

    def _in_use(self, uuid: UUID, manifest: Manifest) -> Resource:
        resource = self._owned(uuid, manifest)
        if resource.state is not State.ACTIVE:
            raise Refused("The resource is not ready yet. Please try again later.", 503)
        return resource

    def _begin(self, request: ProvisionRequest) -> Resource:
        return self._store.create(
            request.uuid, request.manifest.id, request.plan, request.name, request.region, self._clock()
        )

    def _owned(self, uuid: UUID, manifest: Manifest) -> Resource:
        resource = self._store.get(uuid)
        if resource.manifest != manifest.id:
            raise Unknown
        return resource

    async def _undo(self, uuid: UUID) -> None:
        """After a refusal nothing stays. Should even that fail, the row does, and a repeat or a delete finds it."""
        try:
            await self._service.deprovision(uuid)
        except Refused:
            return
        self._store.forget(uuid)

    def _lock(self, uuid: UUID) -> asyncio.Lock:
        return self._locks.setdefault(uuid, asyncio.Lock())


def _declared(answer: Provisioned, manifest: Manifest) -> Provisioned:
    undeclared = set(answer.config) - set(manifest.config_vars)
    assert not undeclared, f"config vars not in the manifest of {manifest.id}: {sorted(undeclared)}"
    config: Mapping[str, str] = answer.config
    assert all(isinstance(value, str) for value in config.values()), "config values are strings"
    return answer
