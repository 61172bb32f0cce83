"""What the tests of this folder read: the source files as text and as trees."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from scripts.trees import parsed

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("broker", "providers", "embedded")
DOMAIN = (
    "kernel",
    "events",
    "flags",
    "notices",
    "accounts",
    "oauth",
    "catalog",
    "apps",
    "billing",
    "payments",
    "payouts",
    "addons",
)


@cache
def modules(*folders: str) -> tuple[Path, ...]:
    """Every module of the product, or below the folders given."""
    found = (path for folder in folders or PACKAGES for path in (ROOT / folder).rglob("*.py"))
    return tuple(sorted(path for path in found if "__pycache__" not in path.parts))


@cache
def tree(path: Path) -> ast.Module:
    return parsed(path.read_text(encoding="utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Everything in a tree: it is walked once for all tests."""
    return tuple(ast.walk(tree(path)))


def place(path: Path, node: ast.AST | None = None) -> str:
    """Where it is, as editors understand it."""
    line = getattr(node, "lineno", None)
    name = path.relative_to(ROOT).as_posix()
    return f"{name}:{line}" if line else name


def calls(path: Path, *names: str) -> Iterator[ast.Call]:
    """The calls of functions or methods with one of these names."""
    for node in nodes(path):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", None)) in names:
            yield node


def committed_files() -> list[Path]:
    """The files that belong to the repository; without git, those of its source folders."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0:
        return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    folders = (*PACKAGES, "tests", "scripts", "docs", "manifests")
    return [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md", ".json")]
