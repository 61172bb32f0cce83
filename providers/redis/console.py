"""Our own connection to an instance: asks for its figures and sets its limits, as the operator. Starts nothing."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from valkey.asyncio import Valkey
from valkey.exceptions import ConnectionError as Disconnected
from valkey.exceptions import ResponseError, ValkeyError
from valkey.exceptions import TimeoutError as TooSlow

from providers.redis.conf import OPERATOR, TENANT, Blueprint, config_set, live_limits, rules
from providers.redis.plans import Plan

ANSWER_TIMEOUT_S = 3.0
REWRITE_TIMEOUT_S = 15.0
_POLL_S = 0.02


class ConsoleError(Exception):
    """The instance does not answer, or refuses what we ask; the text says which, without secrets."""


@dataclass(frozen=True)
class Figures:
    """What an instance says about itself. Units: bytes, seconds."""

    used_bytes: int
    clients: int
    keys: int
    uptime_s: int
    pid: int
    freeing: int
    """Removed keys whose memory is being given back."""


class Console:
    """The one connection that `maxclients` leaves for us; opened when first needed, and again when it is lost."""

    def __init__(self, blueprint: Blueprint) -> None:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(blueprint.host, blueprint.host)  # noqa: S104 (compared only)
        self._client = Valkey(
            host=host,
            port=blueprint.port,
            username=OPERATOR,
            password=blueprint.operator_password,
            single_connection_client=True,
            socket_timeout=ANSWER_TIMEOUT_S,
            socket_connect_timeout=ANSWER_TIMEOUT_S,
            decode_responses=True,
            client_name=OPERATOR,
        )
        self._lock = asyncio.Lock()

    async def close(self) -> None:
        await self._client.aclose()

    async def serving_pid(self) -> int | None:
        """The process that serves on this port as ours; None also while it reads its file."""
        try:
            # Under memory pressure the server closes the hungriest connections; ours is not to be among them.
            await self._ask("CLIENT", "NO-EVICT", "ON")
            return int((await self._ask("INFO", "server"))["process_id"])
        except ConsoleError:
            return None

    async def figures(self) -> Figures:
        """Raises: ConsoleError."""
        found = await self._ask("INFO")
        return Figures(
            # The part that is weighed against maxmemory.
            used_bytes=found["used_memory"] - found.get("mem_not_counted_for_evict", 0),
            clients=max(found["connected_clients"] - 1, 0),
            keys=sum(database["keys"] for name, database in found.items() if _names_a_database(name)),
            uptime_s=found["uptime_in_seconds"],
            pid=found["process_id"],
            freeing=found["lazyfree_pending_objects"],
        )

    async def apply(self, plan: Plan) -> None:
        """Hold a running instance to another plan. When it returns, the keys are as safe as the plan says.

        Raises: ConsoleError.
        """
        if plan.persistent:  # first what can fail
            await self._ask(*config_set([("appendonly", "yes")]))
            await self._written()
        await self._ask(*config_set(live_limits(plan).items()))
        if not plan.persistent:
            await self._ask(*config_set([("appendonly", "no")]))

    async def let_in(self, blueprint: Blueprint) -> None:
        """Let the users of this blueprint in, and no others; connections of others end.

        Raises: ConsoleError.
        """
        wanted = rules(blueprint)
        found = await self._ask("ACL", "GETUSER", TENANT)
        before = dict(zip(found[::2], found[1::2], strict=True))
        for name, words in wanted.items():
            await self._ask("ACL", "SETUSER", name, *words.split())
        gone = set(await self._ask("ACL", "USERS")) - set(wanted)
        if gone:
            await self._ask("ACL", "DELUSER", *sorted(gone))
        if set(before["passwords"]) - {word.lstrip("#") for word in wanted[TENANT].split()}:
            await self._ask("CLIENT", "KILL", "USER", TENANT)

    async def shut_down(self) -> None:
        """Ask for the end of the process; the connection breaks, and that is the answer."""
        try:
            await self._ask("SHUTDOWN", "NOSAVE")
        except ConsoleError:
            return

    async def _written(self) -> None:
        """Wait until the file holds all keys: it is first written whole, beside the traffic."""
        deadline = time.monotonic() + REWRITE_TIMEOUT_S
        while True:
            found = await self._ask("INFO", "persistence")
            if not found["aof_rewrite_in_progress"] and not found["aof_rewrite_scheduled"]:
                break
            if time.monotonic() > deadline:
                raise ConsoleError("the keys could not be written to disk in time")
            await asyncio.sleep(_POLL_S)
        if found["aof_last_bgrewrite_status"] != "ok":
            raise ConsoleError("the keys could not be written to disk")

    async def _ask(self, *command: str) -> Any:
        async with self._lock:
            try:
                return await self._client.execute_command(*command)  # type: ignore[no-untyped-call]  # no hints there
            except (Disconnected, TooSlow):
                await self._client.aclose()
                raise ConsoleError("the instance does not answer") from None
            except ResponseError as error:
                raise ConsoleError(f"the instance refuses {command[0]}: {error}") from None
            except ValkeyError as error:
                raise ConsoleError(f"the instance answers nonsense ({type(error).__name__})") from None


def _names_a_database(section: str) -> bool:
    return section.startswith("db") and section[2:].isdigit()
