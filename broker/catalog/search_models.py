"""Tables of the marketplace's search: an entry per service, made of its manifest, and the words that typing errors are
compared with. Everything in them can be made again.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base

HEADING: Final = """'{a,b,c}'::\"char\"[]"""
"""The weights of what counts for the rank."""
NAME: Final = """'{a}'::\"char\"[]"""


class SearchEntry(Base):
    """What is found of a service, and what a list shows of it. It is ranked by this row alone."""

    __tablename__ = "search_entries"
    __table_args__ = (
        Index("ix_search_entries_document", "document", postgresql_using="gin"),
        Index("ix_search_entries_heading", text(f"ts_filter(document, {HEADING})"), postgresql_using="gin"),
        Index("ix_search_entries_name", text(f"ts_filter(document, {NAME})"), postgresql_using="gin"),
        Index("ix_search_entries_popular", text("installs DESC"), "slug", postgresql_where=text("is_listed IS TRUE")),
        Index("ix_search_entries_categories", "categories", postgresql_where=text("is_listed IS TRUE")),
    )

    service_id: Mapped[UUID] = mapped_column(ForeignKey("addon_services.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int]
    """Of the manifest that it was made of."""
    document: Mapped[Any] = mapped_column(TSVECTOR, nullable=False)
    """Every word by which it is found."""
    heading: Mapped[Any] = mapped_column(TSVECTOR, nullable=False)
    """Those that count for its rank: without what is merely told of it."""
    is_listed: Mapped[bool]
    """Whether it was listed for everybody when its state changed last: what is shown asks the service once more."""
    slug: Mapped[str]
    name: Mapped[str]
    tagline: Mapped[str]
    categories: Mapped[list[str]] = mapped_column(ARRAY(Text))
    features: Mapped[list[str]] = mapped_column(ARRAY(Text))
    regions: Mapped[list[str]] = mapped_column(ARRAY(Text))
    has_free: Mapped[bool]
    """Whether a public plan can never cost anything."""
    lowest_minor: Mapped[int | None]
    """The lowest monthly price of a public plan, in minor units of `currency`; usage may come to it."""
    currency: Mapped[str | None]
    logo: Mapped[str | None]
    """The digest of its logo, if it has one of its own."""
    installs: Mapped[int] = mapped_column(server_default="0")
    """Apps that have it, but for those of the people who make it. Counted now and then."""


class SearchTrigram(Base):
    """Three letters in a row and a word of some listing that has them."""

    __tablename__ = "search_trigrams"

    trigram: Mapped[str] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(primary_key=True)


class ServiceLogo(Base):
    """The picture that a manifest brings, checked."""

    __tablename__ = "service_logos"

    service_id: Mapped[UUID] = mapped_column(ForeignKey("addon_services.id", ondelete="CASCADE"), primary_key=True)
    media_type: Mapped[str]
    content: Mapped[bytes]
    digest: Mapped[str]
