"""Who may send: one login per resource. How its password is made is the kit's business; here is how it is checked."""

import hashlib
import hmac
import secrets
import sqlite3
from dataclasses import dataclass

from providers.mail.database import Database
from providers.mail.plans import PLANS, Plan

_BY_KEY = """
SELECT * FROM credentials WHERE password_sha256 = :digest
UNION ALL SELECT * FROM credentials WHERE resource IN (SELECT resource FROM passwords WHERE sha256 = :digest)
"""


@dataclass(frozen=True, slots=True)
class Credential:
    """The login of one resource, with the plan that holds for it now."""

    resource: str
    username: str
    plan: Plan


class Credentials:
    def __init__(self, database: Database, domain: str) -> None:
        self._database = database
        self._domain = domain

    def ensure(self, resource: str, password: str, plan: Plan) -> Credential:
        """The login of ``resource``: the one it has, or a new one. Repeating it changes nothing."""
        with self._database.transaction() as tx:
            if row := tx.execute("SELECT * FROM credentials WHERE resource = ?", (resource,)).fetchone():
                return _credential(row)
            username = self._free_username(tx)
            tx.execute(
                "INSERT INTO credentials (resource, username, password_sha256, plan) VALUES (?, ?, ?, ?)",
                (resource, username, _digest(password), plan.slug),
            )
            return Credential(resource, username, plan)

    def admit(self, resource: str, password: str, generation: int) -> Credential:
        """Let one more password in; the login stays. Repeating it changes nothing."""
        with self._database.transaction() as tx:
            row = tx.execute("SELECT * FROM credentials WHERE resource = ?", (resource,)).fetchone()
            if row["password_sha256"] != _digest(password):
                values = (_digest(password), resource, generation)
                tx.execute("INSERT OR IGNORE INTO passwords (sha256, resource, generation) VALUES (?, ?, ?)", values)
            return _credential(row)

    def keep(self, resource: str, password: str, generation: int) -> None:
        """Let no password in that is older than this one, of this generation."""
        with self._database.transaction() as tx:
            tx.execute("DELETE FROM passwords WHERE resource = ? AND generation <= ?", (resource, generation))
            tx.execute("UPDATE credentials SET password_sha256 = ? WHERE resource = ?", (_digest(password), resource))
        self._database.give_back_space()

    def change_plan(self, resource: str, plan: Plan) -> None:
        with self._database.transaction() as tx:
            tx.execute("UPDATE credentials SET plan = ? WHERE resource = ?", (plan.slug, resource))

    def remove(self, resource: str) -> None:
        """Forget the login, and with it every message, count and pending delivery of the resource."""
        with self._database.transaction() as tx:
            tx.execute("DELETE FROM credentials WHERE resource = ?", (resource,))
        self._database.give_back_space()

    def find(self, resource: str) -> Credential | None:
        with self._database.reading() as connection:
            row = connection.execute("SELECT * FROM credentials WHERE resource = ?", (resource,)).fetchone()
        return _credential(row) if row else None

    def check(self, username: str, password: str) -> Credential | None:
        """The login these words open, else None; takes the same time for a wrong name and a wrong password.

        A fast hash is enough: passwords are random words of ours, never chosen by people.
        """
        with self._database.reading() as connection:
            row = connection.execute("SELECT * FROM credentials WHERE username = ?", (username.lower(),)).fetchone()
            resource = row["resource"] if row else ""
            more = connection.execute("SELECT sha256 FROM passwords WHERE resource = ?", (resource,)).fetchall()
        digest = _digest(password)
        known = [row["password_sha256"] if row else bytes(32), *(found["sha256"] for found in more)]
        right = [hmac.compare_digest(one, digest) for one in known]
        return _credential(row) if row and any(right) else None

    def check_key(self, password: str) -> Credential | None:
        """The login whose password this is: the HTTP APIs take the password alone as an API key."""
        with self._database.reading() as connection:
            row = connection.execute(_BY_KEY, {"digest": _digest(password)}).fetchone()
        return _credential(row) if row else None

    def _free_username(self, tx: sqlite3.Connection) -> str:
        while True:
            username = f"app{secrets.randbelow(9 * 10**9) + 10**9}@{self._domain}"
            if not tx.execute("SELECT 1 FROM credentials WHERE username = ?", (username,)).fetchone():
                return username


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode("utf-8", "surrogateescape")).digest()


def _credential(row: sqlite3.Row) -> Credential:
    return Credential(row["resource"], row["username"], PLANS[row["plan"]])
