"""Tables of apps, their collaborators, their config vars and their releases."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class App(Base):
    """An app. Its data key seals everything of its environment; destroying the app destroys the key."""

    __tablename__ = "apps"
    __table_args__ = (
        Index("uq_apps_name", "name", unique=True, postgresql_where=text("destroyed_at is null")),
        Index("ix_apps_owner_id", "owner_id"),
        Index("ix_apps_payer_id", "payer_id", postgresql_where=text("payer_id is not null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    payer_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    """Who has agreed to pay for it in the owner's place."""
    region: Mapped[str]
    stack: Mapped[str]
    maintenance: Mapped[bool]
    data_key: Mapped[bytes | None] = mapped_column(info={"wrapped_key": True})
    version: Mapped[int]
    """Version of the newest release; locked and counted up by `cut_release`."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    released_at: Mapped[datetime | None]
    destroyed_at: Mapped[datetime | None]


class Collaborator(Base):
    """Somebody with whom the owner shares an app. The owner has no row: who it is, the app says."""

    __tablename__ = "collaborators"

    app_id: Mapped[UUID] = mapped_column(ForeignKey("apps.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)
    role: Mapped[str]
    """`collaborator`; text, so that finer roles need no migration."""
    created_by: Mapped[UUID]
    created_at: Mapped[datetime]


class ConfigVar(Base):
    """One variable of an app's environment, sealed. Owned by the app, or by the attachment that gives it."""

    __tablename__ = "config_vars"

    app_id: Mapped[UUID] = mapped_column(ForeignKey("apps.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    attachment_id: Mapped[UUID | None] = mapped_column(index=True)
    version: Mapped[int]
    """The release that set this value; part of the seal."""
    value_sealed: Mapped[bytes]


class Release(Base):
    """A whole environment at one version. Rows are never updated."""

    __tablename__ = "releases"
    __table_args__ = (UniqueConstraint("app_id", "version"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    app_id: Mapped[UUID] = mapped_column(ForeignKey("apps.id"))
    version: Mapped[int]
    description: Mapped[str]
    actor_id: Mapped[UUID]
    actor_email: Mapped[str]
    addon_plan_names: Mapped[list[str]] = mapped_column(ARRAY(Text))
    snapshot_sealed: Mapped[bytes]
    created_at: Mapped[datetime]
