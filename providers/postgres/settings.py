"""The settings of the postgres provider, read from `POSTGRES_PROVIDER_*`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from providers.kit.settings import ProviderSettings


class PostgresSettings(ProviderSettings):
    """Which server holds the databases, how they are addressed, how often sizes are looked at."""

    model_config = SettingsConfigDict(env_prefix="POSTGRES_PROVIDER_", frozen=True, extra="ignore")

    db_port: int = Field(
        0, ge=0, le=65535, description="Port of the embedded server; 0 takes a free one at first start and keeps it."
    )
    db_max_connections: int = Field(
        1000, ge=20, le=20_000, description="Connections of the embedded server, shared out among the resources."
    )
    admin_url: SecretStr | None = Field(
        None, description="URL of a superuser of another PostgreSQL server (16 or newer), instead of the embedded one."
    )
    public_host: str | None = Field(None, description="Host in the URLs given out; by default the server's own.")
    public_port: int | None = Field(
        None, ge=1, le=65535, description="Port in the URLs given out; by default the server's own."
    )
    url_scheme: Literal["postgresql", "postgres"] = Field("postgresql", description="Scheme of the URLs given out.")
    quota_interval_s: float = Field(5.0, gt=0, le=3600, description="Seconds between two looks at the sizes.")
