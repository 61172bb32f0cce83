"""Foreign programs that the journeys drive: where they are, and by which name a test is skipped without them."""

import fcntl
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import expect

_CHECKOUT: Final = Path(__file__).resolve().parents[2]
_CACHE: Final = _CHECKOUT / ".cache"


def heroku_cli() -> Path:
    """The program of the unmodified Heroku CLI; skips the test without it."""
    program = _CACHE / "npm/node_modules/.bin/heroku"
    _need("heroku", program, "the Heroku CLI")
    return program


def heroku_client() -> Path:
    """The directory whose `node_modules` holds heroku-client; skips the test without it."""
    folder = _CACHE / "heroku-client"
    _need("heroku_client", folder / "node_modules/heroku-client", "heroku-client")
    return folder


def chromium() -> str:
    """The path of a Chromium; skips the test without it.

    Its pages may take as long as a busy machine needs: what is expected on one is awaited for 20 s, not 5.
    """
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("Chromium is missing: the browser journey is skipped")
    expect.set_options(timeout=60_000)
    return found


def _need(tool: str, path: Path, title: str) -> None:
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip(f"npm is missing: the journey of {title} is skipped")
    if not path.exists():
        _install_once(tool, path)
    if not path.exists():
        pytest.skip(f"{title} could not be installed: its journey is skipped; try scripts/optional-tools {tool}")


def _install_once(tool: str, path: Path) -> None:
    """Try once per checkout: a machine without a package registry must not wait for it at every run."""
    _CACHE.mkdir(exist_ok=True)
    tried = _CACHE / f"{tool}.tried"
    with tried.open("a+") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        mark.seek(0)
        if mark.read() or path.exists():
            return
        mark.write("tried\n")
        subprocess.run([_CHECKOUT / "scripts/optional-tools", tool], check=False, capture_output=True, timeout=330)
