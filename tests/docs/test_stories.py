"""The stories of the README and the tutorial, run as they stand on a marketplace that is up."""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded import postgres
from tests.docs.pages import ROOT, blocks
from tests.platform import Platform

STARTED_BEFORE = ("make ", ". .venv/", "broker login", "heroku ", 'eval "$(broker env)"')
"""Lines that a test need not, or must not, type: the marketplace is up, and the token is in the environment. The Heroku
CLI has a journey of its own."""

Step = tuple[str, list[str]]


def steps(page: Path) -> Iterator[Step]:
    """Each command of the page with the lines of output that the page shows."""
    for block in blocks(page, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *output = part.rstrip().splitlines()
            yield command, output


def plain(line: str) -> str:
    """A line without what differs from run to run: invented names, widths of columns."""
    line = re.sub(r"\b(postgres|redis|sendgrid|mail)-[a-z]+-\d+", r"\1-NAME", line)
    return " ".join(line.replace("─", " ").split())


class Shell:
    """A developer's terminal, logged in, with apps named unlike everybody else's."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.folder = folder
        self.suffix = secrets.token_hex(4)
        programs = [str(Path(sys.executable).parent), str(postgres.find_binaries()), os.environ.get("PATH", os.defpath)]
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join(programs),
            "BROKER_URL": platform.url,
            "BROKER_TOKEN": platform.token,
            "BROWSER": "true",  # the program of that name: opens nothing, and is content
        }

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """The command's whole output, as a terminal would show it, with the apps' names as the page has them."""
        done = subprocess.run(
            ["bash", "-c", re.sub(r"\b(intu-[a-z]+)\b", rf"\1-{self.suffix}", command)],
            cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=90, check=False,
        )  # fmt: skip
        done.stdout = done.stdout.replace(f"-{self.suffix}", "")
        return done


@pytest.fixture
def shell(platform: Platform, tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(platform, tmp_path)
    yield shell
    for app in ("intu-jokes", "intu-reports"):
        shell.run(f"broker apps:destroy {app} --confirm {app}")


@pytest.mark.journey
@pytest.mark.parametrize("page", ["README.md", "docs/tutorial/first-addon.md"])
def test_the_story_of_the_page_runs_as_it_is_written(page: str, shell: Shell) -> None:
    told = [step for step in steps(ROOT / page) if not step[0].startswith(STARTED_BEFORE)]
    assert len(told) >= 8
    for command, expected in told:
        done = shell.run(command)
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        shown = [plain(line) for line in done.stdout.splitlines()]
        missing = [line for line in expected if plain(line) and plain(line) not in shown]
        assert missing == [], f"$ {command}\n{done.stdout}"
