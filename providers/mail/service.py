"""The mail provider behind the kit's seam: what provision, plan change and deprovision mean here, and what runs meanwhile."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from providers.kit.manifest import Manifest
from providers.kit.secrets import ProviderKey
from providers.kit.service import Provisioned, ProvisionRequest, Refused
from providers.kit.store import ResourceStore
from providers.mail.archive import Archive
from providers.mail.credentials import Credential, Credentials
from providers.mail.database import Database
from providers.mail.plans import PLANS, Plan
from providers.mail.relay import Relay
from providers.mail.retention import Retention
from providers.mail.submission import SubmissionServer
from providers.mail.usage import Reporter

_PASSWORD = "smtp-password"  # noqa: S105 (the label the password is derived under)
_RESTART_S = 5
_FINISH_S = 3

log = logging.getLogger("provider.mail")


class MailService:
    """Implements the kit's ``Service``."""

    def __init__(
        self,
        database: Database,
        credentials: Credentials,
        archive: Archive,
        server: SubmissionServer,
        retention: Retention,
        relay: Relay | None,
        reporter: Reporter | None,
        key: ProviderKey,
        store: ResourceStore,
        *,
        listen: str,
        port: int,
        port_file: Path,
        client_host: str,
    ) -> None:
        self._database = database
        self._credentials = credentials
        self._archive = archive
        self._server = server
        self._retention = retention
        self._relay = relay
        self._reporter = reporter
        self._key = key
        self._listen = listen
        self._port = port
        self._port_file = port_file
        self._client_host = client_host
        self._store = store
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def smtp_port(self) -> int:
        """The port clients are given; known once started."""
        return self._port

    async def start(self) -> None:
        remembered = int(self._port_file.read_text()) if not self._port and self._port_file.exists() else self._port
        self._port = await self._server.start(self._listen, remembered)
        # The port is part of what tenants were given, so a free one, once taken, is kept.
        draft = self._port_file.with_suffix(".new")
        draft.write_text(str(self._port))
        draft.replace(self._port_file)
        log.info("SMTP listening on %s:%d", self._listen, self._port)
        self._tasks = [asyncio.create_task(_forever(self._retention.run))]
        if self._reporter is not None:
            self._tasks.append(asyncio.create_task(_forever(self._reporter.run)))
        if self._relay is not None:
            self._server.accepted = self._relay.wake
            self._tasks.append(asyncio.create_task(_forever(self._relay.run)))

    async def stop(self) -> None:
        await self._server.stop()
        if self._relay is not None and self._tasks:
            self._relay.stop()
            await asyncio.wait(self._tasks, timeout=_FINISH_S, return_when=asyncio.FIRST_COMPLETED)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._database.close()

    async def healthy(self) -> bool:
        try:
            await asyncio.to_thread(self._archive.plan, "")
        except sqlite3.Error:
            return False
        return self._server.listening and not any(task.done() for task in self._tasks)

    async def provision(self, request: ProvisionRequest) -> Provisioned:
        plan = _plan(request.plan)
        password = self._password(request.uuid, self._store.get(request.uuid).generation)
        credential = await asyncio.to_thread(self._credentials.ensure, str(request.uuid), password, plan)
        config = self._config(credential, password, request.manifest)
        return Provisioned(str(request.uuid), config, f"Ready to send: {plan.summary()}.")

    async def config(self, uuid: UUID, manifest: Manifest) -> Provisioned:
        return await self.issue(uuid, self._store.get(uuid).generation, manifest)

    async def issue(self, uuid: UUID, generation: int, manifest: Manifest) -> Provisioned:
        password = self._password(uuid, generation)
        credential = await asyncio.to_thread(self._credentials.admit, str(uuid), password, generation)
        return Provisioned(str(uuid), self._config(credential, password, manifest))

    async def revoke(self, uuid: UUID, before: int) -> None:
        await asyncio.to_thread(self._credentials.keep, str(uuid), self._password(uuid, before), before)

    def _password(self, uuid: UUID, generation: int) -> str:
        return self._key.derive(uuid, _PASSWORD, generation)

    async def change_plan(self, uuid: UUID, plan: str, manifest: Manifest) -> Provisioned:
        """The quota of the new plan holds at once, also for connections that are open."""
        wanted = _plan(plan)
        await asyncio.to_thread(self._credentials.change_plan, str(uuid), wanted)
        used = await asyncio.to_thread(self._archive.sent_today, str(uuid))
        return Provisioned(str(uuid), message=_change_message(wanted, used))

    async def deprovision(self, uuid: UUID) -> None:
        await asyncio.to_thread(self._credentials.remove, str(uuid))

    def _config(self, credential: Credential, password: str, manifest: Manifest) -> Mapping[str, str]:
        """The config vars that the manifest declares, told by their suffix: both mail services share this program."""
        host, port = self._client_host, str(self._port)
        in_url = f"[{host}]" if ":" in host else host
        values = {
            "USERNAME": credential.username,
            "PASSWORD": password,
            "HOST": host,
            "PORT": port,
            "URL": f"smtp://{quote(credential.username, safe='')}:{quote(password, safe='')}@{in_url}:{port}",
        }
        known = {f"{manifest.prefix}_{suffix}": value for suffix, value in values.items()}
        return {name: known[name] for name in manifest.config_vars if name in known}


def _plan(slug: str) -> Plan:
    if slug not in PLANS:
        raise Refused(f"There is no plan {slug!r}. The plans are: {', '.join(PLANS)}.")
    return PLANS[slug]


def _change_message(plan: Plan, used: int) -> str:
    message = f"Now on plan {plan.slug}: {plan.summary()}. Older mails are removed."
    if used >= plan.mails_per_day:
        message += f" Today's {used:,} mails use up the new quota: nothing more is accepted until 00:00 UTC."
    return message


async def _forever(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Keep a background worker going until it ends by itself: a full disk, say, ends one round of it and not the worker."""
    while True:
        try:
            return await run()
        except Exception:  # boundary: nobody else would notice; the log has it, and the work is still in the database
            log.exception("background work failed, starting it again")
            await asyncio.sleep(_RESTART_S)
