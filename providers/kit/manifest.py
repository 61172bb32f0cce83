"""Reads the manifest file which the broker renders for a provider: its credentials, salt, config vars and plans."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, Field, SecretStr, ValidationError


class ManifestError(Exception):
    """The manifest file cannot be used; the text says why."""


@dataclass(frozen=True)
class Manifest:
    """One add-on service as its provider sees it. `plans` maps a slug to that plan's entry in the file."""

    id: str
    password: SecretStr
    sso_salt: SecretStr
    config_vars: tuple[str, ...]
    prefix: str
    plans: Mapping[str, Mapping[str, Any]]


class _Api(BaseModel):
    password: SecretStr = Field(min_length=16)
    sso_salt: SecretStr = Field(min_length=16)
    config_vars: tuple[str, ...]
    config_vars_prefix: str | None = None


class _File(BaseModel):
    id: str = Field(min_length=1)
    api: _Api
    plans: tuple[dict[str, Any], ...] = ()


def load(path: Path) -> Manifest:
    """The manifest in `path`.

    Raises: ManifestError, in a text that quotes no value of the file, for it holds secrets.
    """
    try:
        parsed = _File.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_input=False))
        raise ManifestError(f"{path}: {'; '.join(faults)}") from None
    except ValueError:
        raise ManifestError(f"{path}: is not JSON") from None
    api = parsed.api
    return Manifest(
        id=parsed.id,
        password=api.password,
        sso_salt=api.sso_salt,
        config_vars=api.config_vars,
        prefix=api.config_vars_prefix or parsed.id.upper().replace("-", "_"),
        plans=MappingProxyType({str(plan.get("name", "")): MappingProxyType(plan) for plan in parsed.plans}),
    )


def load_all(paths: tuple[Path, ...]) -> tuple[Manifest, ...]:
    """The manifests of one provider program.

    Raises: ManifestError, also when there is none or two share an id.
    """
    manifests = tuple(load(path) for path in paths)
    if not manifests:
        raise ManifestError("No manifest: name at least one file in the setting ..._PROVIDER_MANIFESTS.")
    if len({manifest.id for manifest in manifests}) < len(manifests):
        raise ManifestError("Two manifests have the same id.")
    return manifests
