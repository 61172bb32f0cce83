"""The settings every provider has. A provider subclasses `ProviderSettings` with its own environment prefix."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class ProviderSettings(BaseSettings):
    """Where the provider listens, keeps its files and finds its manifests."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", validate_default=True)

    host: str = Field("127.0.0.1", description="Address the provider's HTTP server listens on.")
    port: int = Field(0, ge=0, le=65535, description="Port of the HTTP server; 0 takes a free one.")
    home: Path = Field(description="Directory for the provider's key, its resource store and its engine's data.")
    manifests: Annotated[tuple[Path, ...], NoDecode] = Field(
        description="Manifest files rendered by the broker, separated like PATH."
    )

    @field_validator("manifests", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(Path(part) for part in value.split(os.pathsep) if part) if isinstance(value, str) else value

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()


S = TypeVar("S", bound=ProviderSettings)


def from_environment(kind: type[S]) -> S:
    """The settings in the process's environment.

    Raises: SystemExit, with one sentence per fault, naming the variable and not its value.
    """
    try:
        return kind()
    except ValidationError as error:
        prefix = kind.model_config.get("env_prefix", "")
        faults = (_sentence(fault["loc"], fault["msg"], prefix) for fault in error.errors(include_input=False))
        raise SystemExit("The settings cannot be used:\n  " + "\n  ".join(faults)) from None


def _sentence(location: tuple[int | str, ...], message: str, prefix: str) -> str:
    """A fault of one variable begins with its name; one of several together names them itself."""
    said = message.removeprefix("Value error, ")
    return f"{prefix}{location[0]}".upper() + f": {said}" if location else said
