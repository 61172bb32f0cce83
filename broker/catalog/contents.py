"""A manifest as its partner wrote it, taken apart into what anybody of the partner may read and the secrets in it.

Masks stand where the secrets were, so that the order stays, and that who may not see them can still push the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from broker.catalog.faults import Fault, ManifestFaults

MASK: Final = "***"
BASE: Final = "$base"
Json = dict[str, Any]
Secrets = dict[str, str]
"""By JSON pointer."""

# Generous: what is taken for a secret by mistake comes back unchanged to whoever may see it.
_SECRET_NAME: Final = re.compile(r"password|salt|secret|token|credential", re.IGNORECASE)


def masked(contents: Mapping[str, Any]) -> tuple[Json, Secrets]:
    """The contents without `$base` and with masks, and what the masks stand for."""
    secrets: Secrets = {}
    public = _mask({key: value for key, value in contents.items() if key != BASE}, "", secrets)
    return public, secrets


def unmasked(contents: Mapping[str, Any], secrets: Secrets) -> Json:
    """The contents with the secrets in the place of their masks.

    Raises: ManifestFaults for a mask that stands for nothing.
    """
    faults: list[Fault] = []
    restored: Json = _unmask(contents, "", secrets, faults)
    if faults:
        raise ManifestFaults(faults)
    return restored


def with_base(contents: Mapping[str, Any], revision: int) -> Json:
    """The contents as they go back to the partner: first what they are based on next time."""
    return {BASE: revision, **contents}


def _mask(value: Any, path: str, secrets: Secrets) -> Any:
    if isinstance(value, Mapping):
        return {key: _mask_member(key, item, f"{path}/{_pointer(key)}", secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_mask(item, f"{path}/{place}", secrets) for place, item in enumerate(value)]
    return value


def _mask_member(key: str, value: Any, path: str, secrets: Secrets) -> Any:
    if isinstance(value, str) and _SECRET_NAME.search(key):
        secrets[path] = value
        return MASK
    return _mask(value, path, secrets)


def _unmask(value: Any, path: str, secrets: Secrets, faults: list[Fault]) -> Any:
    if isinstance(value, Mapping):
        items = value.items()
        return {key: _unmask_member(key, item, f"{path}/{_pointer(key)}", secrets, faults) for key, item in items}
    if isinstance(value, list):
        return [_unmask(item, f"{path}/{place}", secrets, faults) for place, item in enumerate(value)]
    return value


def _unmask_member(key: str, value: Any, path: str, secrets: Secrets, faults: list[Fault]) -> Any:
    if value != MASK or not _SECRET_NAME.search(key):
        return _unmask(value, path, secrets, faults)
    if path not in secrets:
        faults.append(Fault(path, f"is the mask {MASK}, and no secret is stored that it stands for: write the value."))
    return secrets.get(path, value)


def _pointer(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
