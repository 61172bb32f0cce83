"""provider:init: writes a provider to start from, out of the templates in `starter/`. Talks to no broker.

The templates are text: nothing here imports the kit that they use.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
import zlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from broker.cli.errors import CliError, Misused
from broker.cli.options import json_option
from broker.cli.output import clean, note, say, say_json

_SLUG: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LIKE_AN_ID: Final = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")
MANIFEST: Final = "addon-manifest.json"
LAYOUT: Final = {
    MANIFEST: "addon-manifest.json.txt",
    ".gitignore": "gitignore.txt",
    "README.md": "README.md.txt",
    "Makefile": "Makefile.txt",
    "@PACKAGE@/__init__.py": "__init__.py.txt",
    "@PACKAGE@/__main__.py": "__main__.py.txt",
    "@PACKAGE@/app.py": "app.py.txt",
    "@PACKAGE@/service.py": "service.py.txt",
    "@PACKAGE@/lines.py": "lines.py.txt",
    "@PACKAGE@/api.py": "api.py.txt",
    "@PACKAGE@/pages.py": "pages.py.txt",
    "tests/test_provider.py": "test_provider.py.txt",
}
"""File of the new provider → its template. Both may hold `@WORD@`s."""


@click.command("provider:init")
@click.argument("name")
@click.option("--dir", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Where to; otherwise ./NAME.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port it listens on; otherwise one that follows from NAME.")
@json_option
def init(name: str, folder: Path | None, port: int | None, as_json: bool) -> None:
    """Write a provider to start from: it runs, has tests, and passes the provider test kit.

    NAME is the slug that users will type. Nothing that exists is overwritten.
    """
    words = words_for(name, port or port_of(name))
    target = folder or Path(name)
    made = write(target, words)
    if as_json:
        say_json({"slug": name, "directory": str(target.absolute()), "port": int(words["PORT"]), "files": made})
        return
    say(f"Made the provider {name} in {clean(target)}: {len(made)} files, fresh secrets in {MANIFEST}.")
    if path := _missing_path():
        note(f"Its Makefile calls `python` and `broker` by name. Let them be found: export PATH={clean(path)}:$PATH")
    note(f"Its tests: cd {clean(target)} && make test. What then: README.md.")


def _missing_path() -> str | None:
    """The folder of the Python that runs this, if another one, or none, goes by the name: it would not have the kit."""
    ours = Path(sys.executable).parent
    found = shutil.which("python")
    return None if found and Path(found).parent == ours else str(ours)


def words_for(slug: str, port: int) -> dict[str, str]:
    """What stands for the `@WORD@`s of the templates, with secrets that were never used before.

    Raises: Misused, when the slug is none.
    """
    if not _SLUG.fullmatch(slug) or _LIKE_AN_ID.fullmatch(slug):
        raise Misused(
            f"{clean(slug)!r} is no slug for a service.",
            "It has at most 63 lower-case letters, digits and hyphens, begins with a letter, does not end with a hyphen"
            " and is no id.",
        )
    name = slug.replace("-", "_")
    return {
        "SLUG": slug,
        "TITLE": slug.replace("-", " ").title(),
        "PACKAGE": f"{name}_provider",
        "PREFIX": name.upper(),
        "ENV": f"{name.upper()}_PROVIDER",
        "PORT": str(port),
        "PASSWORD": secrets.token_hex(16),
        "SALT": secrets.token_hex(16),
    }


def port_of(slug: str) -> int:
    """The same port each time for a name, so that two providers on one machine seldom want the same one."""
    return 7000 + zlib.crc32(slug.encode()) % 1000


def write(target: Path, words: Mapping[str, str]) -> list[str]:
    """Write all files; the names written.

    Raises: CliError, before anything is written, when there is something already; or when writing fails.
    """
    templates = files("broker.cli") / "starter"
    contents = {
        filled(name, words): filled((templates / template).read_text(encoding="utf-8"), words)
        for name, template in LAYOUT.items()
    }
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise CliError(f"{clean(target)} exists and is not empty.", "Name another directory with `--dir`.")
        for name, text in contents.items():
            _write_new(target / name, text, 0o600 if name == MANIFEST else 0o666)
    except OSError as error:
        raise CliError(f"{clean(error.filename)} cannot be written: {error.strerror}.") from None
    return list(contents)


def _write_new(path: Path, text: str, mode: int) -> None:
    """Created with its mode, so that there is no moment in which others could read the secrets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)


def filled(template: str, words: Mapping[str, str]) -> str:
    """The template with its `@WORD@`s replaced; one without a value is a fault of ours and raises KeyError."""
    return re.sub(r"@([A-Z]+)@", lambda found: words[found[1]], template)
