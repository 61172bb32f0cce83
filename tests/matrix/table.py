"""The table of answers: a row per route, a column per kind of actor."""

from dataclasses import dataclass
from pathlib import Path

from tests.matrix.routes import Key

FILE = Path(__file__).with_name("table.txt")

ACTORS = (
    "owner",
    "collab",
    "strang",
    "ident",
    "read",
    "write",
    "read+",
    "write+",
    "this",
    "else",
    "third",
    "partn",
    "sibl",
    "rival",
    "basic",
    "basic2",
    "member",
    "operat",
    "brows",
    "none",
)
"""The columns, in their order; what each is stands at the head of the file."""

_WIDTH = 7
_FIRST = 84


@dataclass(frozen=True)
class Row:
    """What a route is expected to answer: `ok` for any success, else the status."""

    key: Key
    answers: tuple[str, ...]

    def __str__(self) -> str:
        method, path = self.key
        return f"{f'{method:<7}{path}':<{_FIRST}}" + "".join(f"{answer:<{_WIDTH}}" for answer in self.answers).rstrip()


def expected() -> dict[Key, Row]:
    rows = [_parsed(line) for line in FILE.read_text(encoding="utf-8").splitlines() if line and line[0] not in "#-"]
    found = {row.key: row for row in rows}
    assert len(found) == len(rows), "a route has two rows"
    return found


def _parsed(line: str) -> Row:
    method, path, *answers = line.split()
    assert len(answers) == len(ACTORS), f"{method} {path} has {len(answers)} answers for {len(ACTORS)} actors"
    return Row((method, path), tuple(answers))


def head() -> str:
    """The names of the columns, above their answers."""
    return f"{'#':<{_FIRST}}" + "".join(f"{actor:<{_WIDTH}}" for actor in ACTORS).rstrip()
