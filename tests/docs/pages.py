"""The committed pages as the tests of this folder read them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def pages() -> list[Path]:
    """Every page that people read, wherever it lies."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "providers").rglob("*.md")]
    return sorted(found)


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> Iterator[str]:
    for found, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if found == language:
            yield text


def command_lines(page: Path) -> Iterator[list[str]]:
    """The words of each `$ …` line of the page's console blocks; continued lines are joined, comments dropped."""
    for block in blocks(page, "console"):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                yield shlex.split(line.removeprefix("$ "), comments=True)
