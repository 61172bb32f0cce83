"""The manifest on the partner's disk: read, written back without loss, and shown without its secrets."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from broker.cli.client import Json
from broker.cli.errors import CliError
from broker.cli.output import warn

NAME = "addon-manifest.json"
_MISSPELT = "addon_manifest.json"
_LARGEST_BYTES = 1024 * 1024
_SECRET_KEYS = ("password", "sso_salt")
HOW_TO_START = "Name the file, or write a provider to start from with `broker provider:init NAME`."
"""Told to whoever has no manifest where it is looked for."""


def default_file() -> Path:
    """The manifest of this directory, under its name or the one that older tools gave it."""
    if not Path(NAME).exists() and Path(_MISSPELT).exists():
        warn(f"{_MISSPELT} is read; its right name is {NAME}.")
        return Path(_MISSPELT)
    return Path(NAME)


def read_manifest(path: Path) -> Json:
    """The manifest in a file, with the slug that it must have to be sent anywhere.

    Raises: CliError.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
        found = json.loads(content) if len(content) <= _LARGEST_BYTES else None
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}.", HOW_TO_START) from None
    except (ValueError, RecursionError):
        # The decoder's own message may quote the text, and with it a password.
        raise CliError(f"{path} is not JSON in UTF-8: correct its syntax.") from None
    if not isinstance(found, dict) or not isinstance(found.get("id"), str) or not found["id"]:
        raise CliError(f'{path} is no manifest: it must be a JSON object with an "id".')
    return found


def write_manifest(path: Path, contents: Json) -> None:
    """Put the manifest there, whole or not at all. A new file is its owner's alone, for there are secrets in it.

    Raises: CliError.
    """
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
        handle, made = tempfile.mkstemp(dir=path.resolve().parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(contents, file, indent=2, ensure_ascii=False)
            file.write("\n")
        Path(made).chmod(mode)
        Path(made).replace(path)
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror}.") from None


def comparable(contents: Json, stored: Json) -> list[str]:
    """The manifest as lines to compare with those of `stored`, without its revision; of its secrets only whether they are
    the stored ones.
    """
    shown = {key: value for key, value in contents.items() if key != "$base"}
    api, kept = shown.get("api"), stored.get("api")
    if isinstance(api, dict):
        known = kept if isinstance(kept, dict) else {}
        shown["api"] = {
            key: _hidden(value, known.get(key)) if key in _SECRET_KEYS else value for key, value in api.items()
        }
    return json.dumps(shown, indent=2, ensure_ascii=False, sort_keys=True).splitlines()


def _hidden(value: Any, stored: Any) -> str:
    return "***" if value == stored else "*** (another one)"
