"""The JSON shapes of credentials and their rotation: all outside of the public Platform API schema.

`shapes.py` shows them in the OpenAPI document.
"""

from __future__ import annotations

from typing_extensions import TypedDict


class RotationApp(TypedDict):
    """An app that got new credentials in a release, and how it is known that it runs with them."""

    id: str
    name: str
    release: int
    acknowledged_at: str | None
    how: str | None


class Rotation(TypedDict):
    """One change of an add-on's credentials: `issuing`, `overlap` (old and new ones work), `revoking`, `finished` or
    `failed`. Of attempts to have the old ones withdrawn there are `attempts`, the next at `next_attempt_at`."""

    id: str
    addon: dict[str, str]
    operation_id: str | None
    generation: int | None
    state: str
    initiated_by: str
    actor: str
    overlap_until: str | None
    apps: list[RotationApp]
    attempts: int
    next_attempt_at: str | None
    last_answer: str | None
    created_at: str
    issued_at: str | None
    finished_at: str | None


class StartedRotation(TypedDict):
    """What became of one add-on of many: its rotation, or why there is none."""

    addon: dict[str, str]
    addon_service: str
    rotation: str | None
    refusal: str | None


class Credential(TypedDict):
    """A login of its own to an add-on, without its values: `creating`, `active`, `removing` or `failed`."""

    id: str
    addon_id: str
    name: str
    permission: str
    state: str
    while_attached: bool
    apps: list[str]
    reason: str | None
    attempts: int
    next_attempt_at: str | None
    last_answer: str | None
    created_at: str


class DatabaseLogin(TypedDict):
    """User and password of a database credential."""

    user: str
    password: str
    state: str


class DatabaseCredential(TypedDict):
    """A credential of a database as the Heroku CLI shows it. Without its values in lists."""

    uuid: str
    name: str
    state: str
    database: str
    host: str
    port: int
    credentials: list[DatabaseLogin]


class DatabaseFact(TypedDict):
    """A line of what is told of a database."""

    name: str
    values: list[str]


class DatabaseInfo(TypedDict):
    """A database as `heroku pg:info` shows it. `resource_url` and `following` are always null."""

    info: list[DatabaseFact]
    resource_url: None
    following: None


class RedisInfo(TypedDict):
    """A Redis as `heroku redis:info` shows it; the address only for who may read it. Plans without TLS begin with `hobby-`."""

    info: list[DatabaseFact]
    resource_url: str | None
    plan: str
    prefer_native_tls: bool


DatabaseWait = TypedDict("DatabaseWait", {"waiting?": bool, "error?": bool, "message": str})
"""Whether a database is still being created, or could not be."""


class Credentials(TypedDict):
    """The credentials that hold now, without their values. `old_until`: until when older ones of the default one work at
    the most; `named` are logins of their own."""

    addon: dict[str, str]
    generation: int
    rotated_at: str
    old_until: str | None
    named: list[Credential]
