"""The Redis provider's side of the kit's seam: resources in the store become kept instances, and back."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from embedded.processes import EngineError
from providers.kit.dashboard import size
from providers.kit.manifest import Manifest
from providers.kit.secrets import ProviderKey
from providers.kit.service import Provisioned, ProvisionRequest, Refused
from providers.kit.store import Resource, ResourceStore
from providers.redis.conf import EVICTION_POLICIES, OPERATOR, TENANT, Blueprint, user_of
from providers.redis.console import ConsoleError
from providers.redis.instance import Instance, InstanceError, PortTaken
from providers.redis.keeper import Keeper
from providers.redis.plans import PLANS, Plan
from providers.redis.ports import NoPort, choose_port
from providers.redis.settings import RedisSettings

ALL_UP_WITHIN_S = 15.0
UP_WITHIN_S = 10.0
PORT_TRIES = 5
EVICTION_OPTION = "maxmemory-policy"
_LOOKS = 40
_LOOK_S = 0.05

log = logging.getLogger("provider.redis")


class RedisService:
    """One instance per resource. Its port and eviction policy are in the store's `extra`; its passwords are derived."""

    def __init__(self, settings: RedisSettings, store: ResourceStore, key: ProviderKey, program: Path) -> None:
        self._settings = settings
        self._store = store
        self._key = key
        self._program = program
        self._keepers: dict[UUID, Keeper] = {}

    async def start(self) -> None:
        """Start every instance of the store; one that cannot start now is tried again and holds up nobody."""
        for resource in self._store.all():
            if "port" in resource.extra:
                self._keeper(resource).begin()
        await asyncio.gather(*(keeper.tried(ALL_UP_WITHIN_S) for keeper in self._keepers.values()))

    async def stop(self) -> None:
        await asyncio.gather(*(keeper.end() for keeper in self._keepers.values()))
        self._keepers.clear()

    async def healthy(self) -> bool:
        """An instance that is down is its own matter: a tenant could bring that about, and it stops no request."""
        return not any(keeper.abandoned for keeper in self._keepers.values())

    async def provision(self, request: ProvisionRequest) -> Provisioned:
        plan = _plan(request.plan)
        resource = self._store.get(request.uuid)
        if "port" in resource.extra:
            # Built before, whatever became of the answer: the same address and password again.
            await self._up(resource)
        else:
            await self._build(request.uuid, _eviction(request))
        return self._answer(request.uuid, request.manifest, f"Redis is ready: {plan.summary}.")

    async def change_plan(self, uuid: UUID, plan: str, manifest: Manifest) -> Provisioned:
        wanted = _plan(plan)
        keeper = await self._up(self._store.get(uuid))
        if keeper.instance.blueprint.plan != wanted:
            await _apply(keeper, wanted)
        return self._answer(uuid, manifest, f"Redis now has {wanted.summary}.")

    async def deprovision(self, uuid: UUID) -> None:
        if keeper := self._keepers.pop(uuid, None):
            await keeper.end()
        if (directory := self._directory(uuid)).exists():
            await asyncio.to_thread(shutil.rmtree, directory)
        self._store.set_extra(uuid, {})

    async def config(self, uuid: UUID, manifest: Manifest) -> Provisioned:
        await self._up(self._store.get(uuid))
        return self._answer(uuid, manifest)

    async def issue(self, uuid: UUID, generation: int, manifest: Manifest) -> Provisioned:
        resource = self._store.get(uuid)
        newest = max(generation, resource.generation)
        await self._let_in(resource, range(resource.oldest, newest + 1))
        return self._answer(uuid, manifest, generation=generation)

    async def revoke(self, uuid: UUID, before: int) -> None:
        resource = self._store.get(uuid)
        await self._let_in(resource, range(max(before, resource.oldest), resource.generation + 1))

    async def _let_in(self, resource: Resource, generations: range) -> None:
        keeper = await self._up(resource)
        *earlier, newest = generations
        blueprint = replace(
            keeper.instance.blueprint,
            generation=newest,
            tenant_password=self._password(resource.uuid, newest),
            earlier=self._passwords(resource.uuid, earlier),
        )
        try:
            await keeper.instance.change_users(blueprint)
        except ConsoleError as error:
            log.warning("users.unchanged %s", error)
            raise Refused("The credentials could not be changed at the moment. Please try again later.", 503) from None

    def _password(self, uuid: UUID, generation: int) -> str:
        return self._key.derive(uuid, TENANT, generation)

    def _passwords(self, uuid: UUID, generations: Iterable[int]) -> tuple[tuple[int, str], ...]:
        return tuple((generation, self._password(uuid, generation)) for generation in generations)

    def keeper(self, uuid: UUID) -> Keeper | None:
        """The keeper of a built resource, for its dashboard."""
        return self._keepers.get(uuid)

    async def _build(self, uuid: UUID, eviction: str) -> None:
        """Give the resource a port and start its instance; a port that is lost in that moment is replaced."""
        for _ in range(PORT_TRIES):
            self._store.set_extra(uuid, {"port": self._free_port(uuid), "eviction": eviction})
            keeper = self._keeper(self._store.get(uuid))
            try:
                await keeper.launch()
            except PortTaken:
                await self._drop(uuid)
                continue
            except (InstanceError, OSError) as error:
                await self._drop(uuid)
                log.warning("instance.failed %s %s %s", uuid, error, getattr(error, "detail", ""))
                raise Refused("The Redis instance could not be started. Please try again later.", 503) from None
            return
        raise Refused("No free port was found for the Redis instance. Please try again later.", 503)

    def _free_port(self, uuid: UUID) -> int:
        given = [resource.extra["port"] for resource in self._others(uuid)]
        if len(given) >= self._settings.max_instances:
            raise Refused(
                f"This host runs all the Redis instances it has room for ({self._settings.max_instances}). "
                "Please try again later, or ask the provider to make room.",
                503,
            )
        settings = self._settings
        try:
            return choose_port(settings.instance_host, settings.port_min, settings.port_max, given)
        except NoPort:
            raise Refused("All ports for Redis instances are in use. Please try again later.", 503) from None

    def _others(self, uuid: UUID) -> Iterable[Resource]:
        return (resource for resource in self._store.all() if resource.uuid != uuid and "port" in resource.extra)

    def _keeper(self, resource: Resource) -> Keeper:
        uuid = resource.uuid
        blueprint = Blueprint(
            host=self._settings.instance_host,
            port=int(resource.extra.get("port", 0)),
            plan=PLANS[resource.plan],
            eviction=str(resource.extra.get("eviction", EVICTION_POLICIES[0])),
            tenant_password=self._password(uuid, resource.generation),
            operator_password=self._key.derive(uuid, OPERATOR),
            generation=resource.generation,
            earlier=self._passwords(uuid, resource.generations[:-1]),
        )
        self._keepers[uuid] = Keeper(str(uuid), Instance(blueprint, self._directory(uuid), self._program))
        return self._keepers[uuid]

    def _directory(self, uuid: UUID) -> Path:
        return self._settings.home / "instances" / str(uuid)

    async def _drop(self, uuid: UUID) -> None:
        await self._keepers.pop(uuid).end()
        self._store.set_extra(uuid, {})

    async def _up(self, resource: Resource) -> Keeper:
        """The resource's keeper, with its instance running. Raises: Refused."""
        keeper = self._keepers.get(resource.uuid)
        if keeper is None:
            keeper = self._keeper(resource)
            keeper.begin()
        if not await keeper.running(UP_WITHIN_S):
            raise Refused(f"The Redis instance is not running. {keeper.trouble or ''} Please try again later.", 503)
        return keeper

    def _answer(
        self, uuid: UUID, manifest: Manifest, message: str | None = None, generation: int | None = None
    ) -> Provisioned:
        blueprint = self._keepers[uuid].instance.blueprint
        number = self._store.get(uuid).generation if generation is None else generation
        login = f"{user_of(number)}:{self._password(uuid, number)}"
        url = f"redis://{login}@{self._settings.public_host}:{blueprint.port}/0"
        return Provisioned(str(uuid), {f"{manifest.prefix}_URL": url}, message)


async def _apply(keeper: Keeper, plan: Plan) -> None:
    try:
        used = await _used_once_freed(keeper)
        if used > plan.memory_bytes:
            raise Refused(
                f"The data takes {size(used)} and the plan {plan.name} has room for {size(plan.memory_bytes)}. "
                f"Remove at least {size(used - plan.memory_bytes)} first."
            )
        await keeper.instance.change_plan(plan)
    except (ConsoleError, EngineError) as error:
        log.warning("plan.unchanged %s", error)
        raise Refused("The plan could not be changed at the moment. Please try again later.", 503) from None


async def _used_once_freed(keeper: Keeper) -> int:
    """What the data takes: keys that were just removed give their memory back in the background, within moments."""
    figures = await keeper.instance.figures()
    for _ in range(_LOOKS):
        if not figures.freeing:
            break
        await asyncio.sleep(_LOOK_S)
        figures = await keeper.instance.figures()
    return figures.used_bytes


def _plan(name: str) -> Plan:
    try:
        return PLANS[name]
    except KeyError:
        raise Refused(f"There is no plan {name!r}. The plans are {', '.join(PLANS)}.") from None


def _eviction(request: ProvisionRequest) -> str:
    policy = request.options.get(EVICTION_OPTION, EVICTION_POLICIES[0])
    if policy not in EVICTION_POLICIES:
        raise Refused(f"The option {EVICTION_OPTION} is one of {', '.join(EVICTION_POLICIES)}.")
    return policy
