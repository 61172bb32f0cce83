"""The password and SSO salt that broker and provider share: where they are sealed, and the overlap after a change.

Towards the provider the newest are used, and the password before for a provider that refuses the new one; from the provider
both are accepted. That ends with the overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from broker.kernel.secret import Secret
from broker.kernel.vault import DataKey, Vault

OVERLAP: Final = timedelta(hours=24)
"""How long what was replaced goes on being accepted, unless its owner wants it gone at once."""


@dataclass(frozen=True, slots=True)
class ServiceSecrets:
    """What the broker and the provider share."""

    password: Secret
    sso_salt: Secret | None


def service_secrets(
    vault: Vault, service_id: UUID, data_key: bytes, password_sealed: bytes, sso_salt_sealed: bytes | None
) -> ServiceSecrets:
    """Open what a row of `addon_services` seals.

    Raises: SealBroken.
    """
    return open_secrets(vault.unwrap(data_key, owner(service_id)), service_id, password_sealed, sso_salt_sealed)


def open_secrets(key: DataKey, service_id: UUID, password: bytes, sso_salt: bytes | None) -> ServiceSecrets:
    """The same with the service's data key at hand.

    Raises: SealBroken.
    """
    opened = _open(key, password, password_place(service_id))
    return ServiceSecrets(opened, _open(key, sso_salt, sso_salt_place(service_id)) if sso_salt else None)


def old_password(
    key: DataKey, service_id: UUID, sealed: bytes | None, until: datetime | None, now: datetime
) -> Secret | None:
    """The password before the last change, while the overlap lasts.

    Raises: SealBroken.
    """
    if sealed is None or until is None or until <= now:
        return None
    return _open(key, sealed, f"{owner(service_id)}:old_password:1")


def sealed_secrets(key: DataKey, service_id: UUID, secrets: ServiceSecrets) -> dict[str, bytes | None]:
    """The columns that hold them."""
    salt = secrets.sso_salt
    return {
        "password_sealed": key.seal(secrets.password.reveal().encode(), password_place(service_id)),
        "sso_salt_sealed": key.seal(salt.reveal().encode(), sso_salt_place(service_id)) if salt else None,
    }


def sealed_old_secrets(key: DataKey, service_id: UUID, old: ServiceSecrets, until: datetime) -> dict[str, Any]:
    """The columns that hold what has just been replaced."""
    password, salt = old.password.reveal().encode(), old.sso_salt
    return {
        "old_password_sealed": key.seal(password, f"{owner(service_id)}:old_password:1"),
        "old_sso_salt_sealed": key.seal(salt.reveal().encode(), f"{owner(service_id)}:old_sso_salt:1")
        if salt
        else None,
        "old_secrets_until": until,
    }


def owner(service_id: UUID) -> str:
    """Whose data key it is, for the vault."""
    return f"addon_services:{service_id}"


def password_place(service_id: UUID) -> str:
    """Where the password is sealed for."""
    return f"{owner(service_id)}:password:1"


def sso_salt_place(service_id: UUID) -> str:
    """Where the SSO salt is sealed for."""
    return f"{owner(service_id)}:sso_salt:1"


def _open(key: DataKey, sealed: bytes, place: str) -> Secret:
    return Secret(key.open(sealed, place).decode())
