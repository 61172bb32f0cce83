"""Habits of the house that no linter knows: sizes, time, commits, docstrings, what may stand in committed files."""

import ast
import re
import statistics
from pathlib import Path

from tests.architecture.source import DOMAIN, ROOT, calls, committed_files, modules, nodes, place, tree

LONGEST_MODULE = 400

READS_THE_CLOCK = {
    "broker/kernel/clock.py": "it is the clock",
    "broker/cli/output.py": "the command line lives on the user's machine, whose clock is the user's",
    "providers/kit/app.py": "the clock of the providers, which they inject further",
}
"""Everybody else is given the time."""

COMMITS = {
    "broker/kernel/db.py": "`Database.transaction()` commits, when it is left",
    "broker/migrations/run.py": "migrations run outside of the database class, on a connection of their own",
}
"""Nobody else does."""


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in nodes(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_module_is_longer_than_one_can_hold_in_mind() -> None:
    lengths = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    migrations = "broker/migrations/versions/"
    long = {name: n for name, n in lengths.items() if n > LONGEST_MODULE and not name.startswith(migrations)}
    assert long == {}, "split it by verb or by noun"
    assert statistics.median(lengths.values()) <= 100


def test_functions_are_short() -> None:
    lengths = sorted(length(function) for path in modules() for function in functions(path))
    assert statistics.median(lengths) <= 10
    assert lengths[len(lengths) * 9 // 10] <= 40


def test_every_module_says_what_lives_in_it() -> None:
    silent = [place(path) for path in modules() if tree(path).body and not ast.get_docstring(tree(path))]
    assert silent == []


def test_the_time_is_injected() -> None:
    found = {place(path, call) for path in modules() for call in calls(path, "now", "utcnow", "today")
             if ast.unparse(call.func).startswith(("datetime.", "date.")) and place(path) not in READS_THE_CLOCK}  # fmt: skip
    assert found == set(), "take the clock that is injected: `ctx.clock` in the broker"


def test_only_the_database_commits() -> None:
    found = {place(path) for path in modules("broker") for _ in calls(path, "commit")}
    assert found <= set(COMMITS)


def test_every_public_function_of_the_domain_has_a_docstring() -> None:
    silent = [
        f"{place(path, node)} {node.name}"
        for package in DOMAIN
        for path in modules(f"broker/{package}")
        for node in tree(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_whoever_catches_everything_says_why() -> None:
    silent = []
    for path in modules():
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in nodes(path):
            if isinstance(node, ast.ExceptHandler) and catches_everything(node):
                near = lines[node.lineno - 2 : node.body[0].lineno]
                if not any("#" in line for line in near) and not ends_by_raising(node):
                    silent.append(place(path, node))
    assert silent == [], "name what is caught, or say in a comment why everything is"


def catches_everything(node: ast.ExceptHandler) -> bool:
    return node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")


def ends_by_raising(node: ast.ExceptHandler) -> bool:
    """Cleaning up and raising again hides nothing."""
    return isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None


def test_every_exemption_from_a_linter_gives_its_reason() -> None:
    bare = re.compile(r"#\s*(?:(?:ruff: )?noqa(?:: [A-Z]+\d+(?:, [A-Z]+\d+)*)?|type: ignore(?:\[[\w, -]+\])?)\s*$")
    found = []
    for path in modules():
        lines = ["", *path.read_text(encoding="utf-8").splitlines()]
        for number, line in enumerate(lines):
            if bare.search(line) and not lines[number - 1].lstrip().startswith("#"):
                found.append(f"{place(path)}:{number}")
    assert found == []


def test_nothing_is_put_off_in_a_comment() -> None:
    later = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    found = [place(path) for path in modules() if later.search(path.read_text(encoding="utf-8"))]
    assert found == []


# Put together here, so that this file does not find itself.
PRIVATE = re.compile(
    "|".join(
        (
            "/" + r"(?:root|work)/(?!\.)[\w.-]+/",  # folders of somebody's machine
            r"(?:index|registry)" + r"[-_]url\s*[=:]\s*http",
            r"https?://[^\s/@]+:" + r"[^\s/@]+@(?:pypi|npm|registry)",
            r'"resolved":\s*"http',
        )
    )
)


def test_no_committed_file_tells_of_a_machine_or_of_a_package_index() -> None:
    found = []
    for path in committed_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{place(path)}: {match[0]}" for match in PRIVATE.finditer(text)]
    assert found == []


def test_the_pinned_versions_are_plain_versions() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)] == []
    assert {line.partition("==")[0].lower() for line in pins} >= {"fastapi", "sqlalchemy", "pytest"}
