"""The settings of the Redis provider: REDIS_PROVIDER_* in the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from providers.kit.settings import ProviderSettings


class RedisSettings(ProviderSettings):
    """Adds what instances need to the settings every provider has."""

    model_config = SettingsConfigDict(
        env_prefix="REDIS_PROVIDER_", frozen=True, extra="ignore", validate_default=True, env_ignore_empty=True
    )

    instance_host: str = Field("127.0.0.1", description="Address the instances listen on.")
    public_host: str = Field("127.0.0.1", description="Host name in REDIS_URL, as the applications reach it.")
    max_instances: int = Field(100, ge=0, description="Instances this host carries; beyond it a provision gets 503.")
    # Below the range from which systems take the ports of outgoing connections, so that a stopped instance
    # finds its port free again.
    port_min: int = Field(20000, ge=1, le=65535, description="Lowest port given to an instance.")
    port_max: int = Field(32000, ge=1, le=65535, description="Highest port given to an instance.")
    engine: Path | None = Field(
        None, description="Another valkey-server (7.2 or newer) or redis-server (7.0 or newer)."
    )

    @model_validator(mode="after")
    def _ports_in_order(self) -> RedisSettings:
        if self.port_max < self.port_min:
            raise ValueError("the highest port is below the lowest")
        return self
