"""Names and passwords of a resource: all follow from the provider's key, so nothing secret is kept in a table."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from uuid import UUID

from providers.kit.secrets import ProviderKey

ITERATIONS = 4096  # PostgreSQL's own number; the passwords are random and gain nothing from more


@dataclass(frozen=True)
class Names:
    """The database and roles of one resource.

    Other tenants can see the names of databases and roles, so the names say nothing: they are derived from the
    uuid with the provider's key. All consist of lower-case letters, digits and `_`, and need no quoting in SQL.
    """

    database: str
    credential: str

    @property
    def viewers(self) -> str:
        """The role without login that may read everything and change nothing, whatever the quota."""
        return f"{self.database}_view"

    @property
    def writers(self) -> str:
        """The role without login that owns all objects; who is a member of it may do everything in the database."""
        return f"{self.database}_rw"

    def credential_of(self, generation: int) -> str:
        """The role with the password of a generation."""
        return f"{self.database}_c{generation}"

    @property
    def readers(self) -> str:
        """The role without login for a database that is over its quota: read and delete."""
        return f"{self.database}_ro"


def names_of(uuid: UUID, generation: int, key: ProviderKey) -> Names:
    database = f"t{key.derive(uuid, 'database')[:20]}"
    return Names(database, f"{database}_c{generation}")


def login_of(names: Names, credential: UUID, read_only: bool, key: ProviderKey) -> Names:
    """The names for a login of its own. One that writes is among the credentials which the quota takes care of."""
    word = key.derive(credential, "login")[:16]
    return Names(names.database, f"{names.database}_{'v' if read_only else 'c'}_{word}")


def password_of(uuid: UUID, generation: int, key: ProviderKey) -> str:
    return key.derive(uuid, "password", generation)


def scram_verifier(password: str) -> str:
    """What PostgreSQL stores for an ASCII password; sent instead of it, so that no statement ever carries a password.

    Source: RFC 5803.
    """
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${ITERATIONS}:{_text(salt)}${_text(stored_key)}:{_text(server_key)}"


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
