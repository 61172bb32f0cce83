"""Renders what one Valkey process reads: its configuration and its users. Text in, text out; nothing is run here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from providers.redis.plans import Plan

USERS_FILE = "users.acl"
AOF_FOLDER = "appendonlydir"
OPERATOR = "operator"
_GENERATION = "tenant"
TENANT = "default"  # so that clients which send a password alone get in, too

EVICTION_POLICIES = (
    "noeviction",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
)

# Everything on one's own data; nothing on the server, its files, its limits or the network. The two groups also hold
# harmless commands that applications use every day: those come back by name.
_TENANT_RULES = (
    "+@all -@admin -@dangerous -script|debug "  # the script debugger forks: a process beyond every limit
    "+info +keys +flushdb +flushall +swapdb +sort +sort_ro +role +lastsave "
    "+client|list +slowlog|get +slowlog|len +slowlog|reset +latency|latest +latency|histogram"
)


@dataclass(frozen=True)
class Blueprint:
    """Everything that makes one instance what it is."""

    host: str
    port: int
    plan: Plan
    eviction: str
    tenant_password: str = field(repr=False)
    operator_password: str = field(repr=False)
    generation: int = 0
    """Of the tenant's password."""
    earlier: tuple[tuple[int, str], ...] = field(default=(), repr=False)
    """Generations with passwords that still work besides."""

    @property
    def user(self) -> str:
        return user_of(self.generation)


def configuration(blueprint: Blueprint) -> str:
    """The configuration of a process that runs in the instance's directory; holds no secret."""
    settings = {
        "bind": blueprint.host,
        "port": blueprint.port,
        "protected-mode": "no",  # no user without a password exists
        "daemonize": "no",
        "dir": ".",
        "aclfile": USERS_FILE,
        "maxmemory-policy": blueprint.eviction,
        "maxmemory-clients": "50%",
        "save": '""',
        "appendonly": _switch(blueprint.plan.persistent),
        "appendfsync": "everysec",
        "appenddirname": AOF_FOLDER,
        "auto-aof-rewrite-min-size": "16mb",
        "loglevel": "warning",
        "crash-log-enabled": "no",  # a crash report quotes the tenant's keys
        **live_limits(blueprint.plan),
    }
    return "".join(f"{name} {value}\n" for name, value in settings.items())


def live_limits(plan: Plan) -> dict[str, str]:
    """The settings of a plan that a running process takes over at once."""
    return {
        "maxmemory": str(plan.memory_bytes),
        "maxclients": str(plan.clients + 1),  # one connection is ours
        # What arrives is held before it is weighed against maxmemory, so it has a bound of its own.
        "proto-max-bulk-len": str(plan.memory_bytes),
        "client-query-buffer-limit": str(plan.memory_bytes),
    }


def user_of(generation: int) -> str:
    """The user whom the URL of a generation names: one of its own, so that its connections can be told from others."""
    return f"{_GENERATION}{generation}" if generation else TENANT


def rules(blueprint: Blueprint) -> dict[str, str]:
    """The rules of each user of an instance, by the digests of their passwords. The tenant's users share all data."""
    digests = {
        generation: f"#{_digest(password)}"
        for generation, password in (*blueprint.earlier, (blueprint.generation, blueprint.tenant_password))
    }
    passwords = {user_of(generation): digest for generation, digest in digests.items()}
    passwords[TENANT] = " ".join(digests.values())
    tenants = {name: f"reset on {words} ~* &* {_TENANT_RULES}" for name, words in sorted(passwords.items())}
    return tenants | {OPERATOR: f"reset on #{_digest(blueprint.operator_password)} ~* &* +@all"}


def users(blueprint: Blueprint) -> str:
    """The file with the users."""
    return "".join(f"user {name} {words}\n" for name, words in rules(blueprint).items())


def config_set(settings: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """One CONFIG SET for all `settings`: either all of them hold afterwards, or none."""
    return ("CONFIG", "SET", *(word for pair in settings for word in pair))


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


def _switch(value: bool) -> str:
    return "yes" if value else "no"
