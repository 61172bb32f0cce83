"""The home directory of `broker up`: where things are, and the ports and secrets that stay as they once were.

Everything in it is readable by its owner alone. What the programs keep in their parts of it is theirs.
"""

import base64
import fcntl
import json
import os
import random
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from embedded.processes import port_is_free

# Below the range from which systems take the ports of outgoing connections, so that they are found free again.
_PORTS = range(20000, 32000)
_KEY_BYTES = 32


class HomeError(Exception):
    """The home directory cannot be used; the message says what to do about it."""


class HomeInUse(HomeError):
    """Another process holds the home."""


class Home:
    """An opened home. Ports and secrets are made when first asked for, and are the same ever after."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state = _read_state(path / "state.json", is_new=not self.database.exists())

    @property
    def database(self) -> Path:
        return self.path / "postgres"

    @property
    def secret_key(self) -> Path:
        return self.path / "secret.key"

    @property
    def manifests(self) -> Path:
        return private_directory(self.path / "manifests")

    @property
    def mails(self) -> Path:
        """What would be sent if there were a mail server."""
        return private_directory(self.path / "mails")

    def log(self, name: str) -> Path:
        return private_directory(self.path / "logs") / f"{name}.log"

    def provider(self, name: str) -> Path:
        return private_directory(private_directory(self.path / "providers") / name)

    def port(self, name: str) -> int:
        """The port of that name: the one of last time, or a free one."""
        ports = self._state["ports"]
        if name not in ports:
            self.use_port(name, _new_port(taken=ports.values()))
        return int(ports[name])

    def known_port(self, name: str) -> int | None:
        found = self._state["ports"].get(name)
        return None if found is None else int(found)

    def use_port(self, name: str, port: int) -> None:
        self._state["ports"][name] = port
        self._save()

    def secret(self, name: str, prefix: str = "") -> str:
        """The random secret of that name."""
        kept = self._state["secrets"]
        if name not in kept:
            kept[name] = prefix + secrets.token_urlsafe(32)
            self._save()
        return str(kept[name])

    def make_secret_key(self) -> None:
        """Make the key-encryption key once. One line per key, url-safe base64, the first is primary.

        Raises: HomeError when it is gone although there is data sealed under it.
        """
        if self.secret_key.exists():
            return
        if self.database.exists():
            raise HomeError(
                f"{self.secret_key} is missing. Without it the config vars in {self.database} cannot be read: put it "
                "back from your backup, or start with another --home."
            )
        write_private(self.secret_key, base64.urlsafe_b64encode(os.urandom(_KEY_BYTES)).decode() + "\n")

    def _save(self) -> None:
        write_private(self.path / "state.json", json.dumps(self._state, indent=2) + "\n")


def default_home() -> Path:
    """`BROKER_HOME`, else the place the system has for data of a user's programs."""
    chosen = os.environ.get("BROKER_HOME")
    return Path(chosen) if chosen else user_data_path("addon-broker")


@contextmanager
def opened(path: Path) -> Iterator[Home]:
    """Hold the home alone: a second opener is refused until the first has ended, however it ended.

    Raises: HomeInUse, or HomeError when it cannot be written.
    """
    path = path.expanduser().absolute()
    try:
        private_directory(path)
        descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise HomeError(f"{path} cannot be used as home: {error.strerror}. Choose another with --home.") from None
    with os.fdopen(descriptor, "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = lock.read().strip() or "unknown"
            raise HomeInUse(
                f"A broker (process {holder}) is already running on {path}. "
                "Stop it first, or choose another home with --home."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield Home(path)


def private_directory(path: Path) -> Path:
    """Make a directory for its owner alone; one that exists is left as it is."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole, readable by its owner alone: a reader sees the old or the new text, never a part."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _read_state(path: Path, *, is_new: bool) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {"ports": dict(found["ports"]), "secrets": dict(found["secrets"])}
    except FileNotFoundError:
        if is_new:
            return {"ports": {}, "secrets": {}}
        reason = "is missing"
    except (ValueError, KeyError, TypeError):
        reason = "is damaged"
    raise HomeError(
        f"{path} {reason}. It holds the ports and passwords of this home: put it back from your backup, or start with "
        "another --home."
    )


def _new_port(taken: Any) -> int:
    for candidate in random.sample(_PORTS, k=200):
        if candidate not in taken and port_is_free(candidate):
            return candidate
    raise HomeError(f"No free port was found between {_PORTS.start} and {_PORTS.stop - 1}.")
