"""The unmodified Heroku CLI, in a home of its own, pointed at a broker by what `broker env` prints."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from embedded import postgres
from tests.journeys.terminal import Answers, converse
from tests.platform import Platform

_COMMAND_WITHIN_S: Final = 180


@dataclass(frozen=True)
class Shown:
    """What one command did."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Errors and warnings as running text, without the CLI's line breaks and marks."""
        return " ".join(self.err.replace("›", " ").split())

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Heroku:
    """The program and its surroundings."""

    program: Path
    home: Path
    environment: Mapping[str, str]

    def run(self, *words: str, **variables: str) -> Shown:
        """Run a command whose standard input is closed. Its exit status is for the caller to check."""
        done = subprocess.run(
            [str(self.program), *words],
            env={**self.environment, **variables},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_WITHIN_S,
        )
        return Shown(done.returncode, done.stdout, done.stderr)

    def ok(self, *words: str, **variables: str) -> Shown:
        """Run a command that must succeed."""
        shown = self.run(*words, **variables)
        assert shown.status == 0, f"heroku {words[0]} ended with {shown.status}:\n{shown.err}\n{shown.out}"
        return shown

    def at_terminal(self, *words: str, answers: Answers, **variables: str) -> tuple[int, str]:
        """Run a command at a terminal, and answer what it asks; its status and all it showed."""
        return converse([str(self.program), *words], {**self.environment, **variables}, answers, _COMMAND_WITHIN_S)

    def without(self, *names: str) -> "Heroku":
        """The same, without these variables."""
        kept = {name: value for name, value in self.environment.items() if name not in names}
        return Heroku(self.program, self.home, kept)

    def script(self, name: str, text: str) -> str:
        """An executable shell script in this home; its path."""
        path = self.home / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o700)
        return str(path)


def surroundings(program: Path, home: Path, platform: Platform) -> Heroku:
    """A CLI that knows nothing of the one whom this machine belongs to."""
    bare = {
        "PATH": os.pathsep.join([str(postgres.find_binaries()), os.environ["PATH"]]),
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "OCLIF_COLUMNS": "400",  # sentences stay on one line
        "NODE_COMPILE_CACHE": str(home / "compiled"),  # from Node 22 on, commands start faster
    }
    return Heroku(program, home, bare | _pointed_at(platform, bare))


def _pointed_at(platform: Platform, bare: Mapping[str, str]) -> dict[str, str]:
    """What `broker env` says, which is what a user's shell would evaluate."""
    done = subprocess.run(
        [sys.executable, "-m", "broker", "env", "--json"],
        env={**bare, "BROKER_URL": platform.url, "BROKER_TOKEN": platform.token},
        capture_output=True,
        text=True,
        check=True,
    )
    variables: dict[str, str] = json.loads(done.stdout)
    return variables
