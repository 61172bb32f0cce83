"""The postgres provider as the kit sees it: provision, change of plan, deprovision."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from uuid import UUID

from providers.kit.dashboard import size as in_words
from providers.kit.manifest import Manifest
from providers.kit.secrets import ProviderKey
from providers.kit.service import Provisioned, ProvisionRequest, Refused
from providers.kit.store import Resource, ResourceStore, State
from providers.postgres import lock, plans, tenants
from providers.postgres.names import Names, login_of, names_of, password_of
from providers.postgres.plans import Plan
from providers.postgres.quota import Quota
from providers.postgres.server import Server, server_faults
from providers.postgres.settings import PostgresSettings

log = logging.getLogger("provider.postgres")

HEALTH_TIMEOUT_S = 3
SCHEME_OPTION = "url-scheme"
SCHEMES = ("postgresql", "postgres")


class PostgresService:
    """Databases on one server. `server` and `quota` are open to the dashboard."""

    def __init__(self, settings: PostgresSettings, store: ResourceStore, key: ProviderKey) -> None:
        self.server = Server(settings, key)
        self.quota = Quota(self.server, store, key, settings.quota_interval_s)
        self._store = store
        self._key = key
        self._polling: asyncio.Task[None] | None = None
        self._capacity = 0

    async def start(self) -> None:
        await self.server.start()
        self._capacity = await tenants.connection_capacity(self.server)
        await self._reconcile()
        self._polling = asyncio.create_task(self.quota.run())

    async def stop(self) -> None:
        if self._polling:
            self._polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._polling
        await self.quota.stop()
        await self.server.stop()

    async def healthy(self) -> bool:
        try:
            with server_faults():
                async with asyncio.timeout(HEALTH_TIMEOUT_S), self.server.connection() as connection:
                    return bool(await connection.fetchval("SELECT true"))
        except Refused:
            return False

    async def provision(self, request: ProvisionRequest) -> Provisioned:
        plan, scheme = plans.find(request.plan), _scheme(request)
        resource = self._store.get(request.uuid)
        self._reserve(resource.uuid, plan)
        names = self.names(resource)
        password = password_of(resource.uuid, resource.generation, self._key)
        if resource.state is State.CREATING:
            with server_faults():
                await tenants.build(self.server, names, password, plan)
            if scheme:
                self._store.set_extra(resource.uuid, {**resource.extra, SCHEME_OPTION: scheme})
        message = f"The database is ready: up to {in_words(plan.size)} and {plan.connections} connections."
        return self._answer(resource, resource.generation, request.manifest, message, scheme)

    async def config(self, uuid: UUID, manifest: Manifest) -> Provisioned:
        resource = self._store.get(uuid)
        return self._answer(resource, resource.generation, manifest)

    async def issue(self, uuid: UUID, generation: int, manifest: Manifest) -> Provisioned:
        names, password = names_of(uuid, generation, self._key), password_of(uuid, generation, self._key)
        with server_faults():
            async with self.quota.undisturbed(uuid):
                await tenants.admit(self.server, names, password, await self._role(uuid))
        return self._answer(self._store.get(uuid), generation, manifest)

    async def revoke(self, uuid: UUID, before: int) -> None:
        names = self.names(self._store.get(uuid))
        with server_faults():
            async with self.quota.undisturbed(uuid):
                for generation in await tenants.credentials(self.server, names):
                    if generation < before:
                        await tenants.dismiss(self.server, names, names.credential_of(generation))

    async def change_plan(self, uuid: UUID, plan: str, manifest: Manifest) -> Provisioned:
        wanted, resource = plans.find(plan), self._store.get(uuid)
        current, names = plans.find(resource.plan), self.names(resource)
        with server_faults():
            async with self.quota.undisturbed(uuid):
                if wanted.size < current.size:
                    await self._must_fit(names, wanted)
                self._reserve(uuid, wanted)
                await tenants.limit(self.server, names, wanted)
                await self.quota.check(uuid, wanted)
        return Provisioned(
            str(uuid), message=f"Now up to {in_words(wanted.size)} and {wanted.connections} connections."
        )

    async def deprovision(self, uuid: UUID) -> None:
        resource = self._store.get(uuid)
        with server_faults():
            async with self.quota.undisturbed(uuid):
                await tenants.remove(self.server, self.names(resource))

    async def lend(self, uuid: UUID, credential: UUID, read_only: bool, manifest: Manifest) -> Provisioned:
        resource = self._store.get(uuid)
        login, password = self._login(uuid, credential, read_only), self._key.derive(credential, "login password")
        with server_faults():
            async with self.quota.undisturbed(uuid):
                if read_only:
                    await tenants.open_to_viewers(self.server, login)
                role = login.viewers if read_only else await self._role(uuid)
                await tenants.admit(self.server, login, password, role)
        url = self.server.url(login.database, login.credential, password, resource.extra.get(SCHEME_OPTION))
        return Provisioned(str(uuid), {self._config_var(manifest): url})

    async def take_back(self, uuid: UUID, credential: UUID) -> None:
        with server_faults():
            async with self.quota.undisturbed(uuid):
                for read_only in (False, True):
                    login = self._login(uuid, credential, read_only)
                    await tenants.dismiss(self.server, login, login.credential)

    def _login(self, uuid: UUID, credential: UUID, read_only: bool) -> Names:
        return login_of(self.names(self._store.get(uuid)), credential, read_only, self._key)

    async def _role(self, uuid: UUID) -> str:
        """What credentials act as at the moment, by the quota."""
        names = self.names(self._store.get(uuid))
        return names.readers if await lock.in_force(self.server, names) else names.writers

    def _answer(
        self, resource: Resource, generation: int, manifest: Manifest, message: str | None = None,
        scheme: str | None = None,
    ) -> Provisioned:  # fmt: skip
        names, password = (
            names_of(resource.uuid, generation, self._key),
            password_of(resource.uuid, generation, self._key),
        )
        chosen = scheme or resource.extra.get(SCHEME_OPTION)
        url = self.server.url(names.database, names.credential, password, chosen)
        return Provisioned(str(resource.uuid), {self._config_var(manifest): url}, message)

    def names(self, resource: Resource) -> Names:
        return names_of(resource.uuid, resource.generation, self._key)

    async def _must_fit(self, names: Names, wanted: Plan) -> None:
        used = (await tenants.usage(self.server, names.database)).size
        if used > wanted.size:
            raise Refused(
                f"The database holds {in_words(used)}, but the plan {wanted.slug} takes {in_words(wanted.size)}. "
                "Delete data and try again."
            )

    def _reserve(self, uuid: UUID, plan: Plan) -> None:
        """Every tenant can use all its connections at any time: they are shared out, not overbooked."""
        others = (plans.PLANS.get(one.plan) for one in self._store.all() if one.uuid != uuid)
        if sum(other.connections for other in others if other) + plan.connections > self._capacity:
            raise Refused("This server has no room for more connections at the moment. Please try again later.", 503)

    @staticmethod
    def _config_var(manifest: Manifest) -> str:
        return next(name for name in manifest.config_vars if name.endswith("_URL"))

    async def _reconcile(self) -> None:
        """Make the server agree with the store after a stop at any point. A lost database is reported, not replaced."""
        async with self.server.connection() as connection:
            rows = await connection.fetch("SELECT datname, datconnlimit FROM pg_database")
        found = {row["datname"]: row["datconnlimit"] for row in rows}
        for resource in self._store.all(State.ACTIVE):
            names, plan = self.names(resource), plans.find(resource.plan)
            if names.database not in found:
                log.error("the database of %s is missing on the server", resource.uuid)
            elif found[names.database] != plan.connections and "locked" not in resource.extra:
                await tenants.limit(self.server, names, plan)


def _scheme(request: ProvisionRequest) -> str | None:
    """What the user wants the URL to begin with, if they said so."""
    scheme = request.options.get(SCHEME_OPTION)
    if scheme not in (None, *SCHEMES):
        raise Refused(f"The option {SCHEME_OPTION} is one of {', '.join(SCHEMES)}.")
    return scheme
