"""Finding the PostgreSQL programs, and making them executable for an account without power."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from embedded.binaries import find_binaries, major_version
from embedded.processes import EngineError, unprivileged

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts engines under another account")


def test_the_programs_that_others_rely_on_are_there() -> None:
    folder = find_binaries()
    missing = [
        name
        for name in ("initdb", "postgres", "pg_isready", "psql", "pg_dump", "pgbench")
        if not os.access(folder / name, os.X_OK)
    ]
    assert missing == []
    assert major_version(folder) >= 18


def test_pgbin_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_binaries()
    monkeypatch.setenv("PGBIN", str(found))
    assert find_binaries() == found


def test_a_pgbin_without_postgres_is_not_silently_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PGBIN", str(tmp_path))
    with pytest.raises(EngineError, match="PGBIN"):
        find_binaries()


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The wheel's programs below a directory that is closed to others, like a venv in root's home."""
    tmp_path.chmod(0o700)
    installation = find_binaries().parent
    package = installation.parent
    shutil.copytree(installation, tmp_path / package.name / installation.name, symlinks=True)
    shutil.copytree(package.with_name(package.name + ".libs"), tmp_path / (package.name + ".libs"))
    monkeypatch.setenv("PGBIN", str(tmp_path / package.name / installation.name / "bin"))


@only_root
@pytest.mark.usefixtures("unreachable")
def test_programs_that_the_account_cannot_reach_are_copied() -> None:
    with tempfile.TemporaryDirectory() as cache:
        Path(cache).chmod(0o755)
        copied = find_binaries(cache=Path(cache))
        for name in ("initdb", "postgres", "psql"):
            subprocess.run([copied / name, "--version"], cwd="/", check=True, **unprivileged().popen())
        assert copied.is_relative_to(cache)
        assert find_binaries(cache=Path(cache)) == copied


@only_root
@pytest.mark.usefixtures("unreachable")
def test_when_they_cannot_be_copied_either_the_way_out_is_told() -> None:
    with pytest.raises(EngineError, match=r"can execute neither .* nor a copy in .*PGBIN"):
        find_binaries(cache=Path("/proc/nowhere"))
