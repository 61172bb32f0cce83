"""Writes what of docs/ is made from the code: `make docs`. The texts stand in the code itself.

The pages about the command line are broker.cli.reference's, the OpenAPI document is broker.openapi's. What is written by
hand (manifest.md, the rest of docs/) is not touched.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from enum import Enum
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

import broker
from broker.addons.outcomes import RETRIES, REVOKED, TABLE
from broker.addons.ports import Answer
from broker.cli.reference import PAGES as CLI_PAGES
from broker.faces.errors import status_of
from broker.kernel.errors import BrokerError
from broker.openapi import PATH as OPENAPI
from broker.openapi import document
from broker.settings import Settings
from scripts.trees import parsed

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "reference"
_MADE = "This page is made by `make docs`.\n"
_PROGRAMS = ("broker.__main__", "broker.migrations.env", "broker.migrations.versions")
"""Modules that do something when imported; no error class lives there."""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; bars and line ends inside cells are made harmless."""
    cells = [list(head), *([cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows)]
    cells.insert(1, ["---"] * len(cells[0]))
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def settings_page() -> str:
    """Every setting of the server: variable, kind of value, default, meaning."""
    rows = [
        (f"`{variable(name)}`", kind(field), default(field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return (
        "# Settings of the broker\n\n"
        "Read once at the start, from the environment, by `broker serve`, `worker`, `migrate` and `secrets:rotate`. An unknown\n"
        "`BROKER_` variable or an unusable value stops the start with a sentence. `broker settings` prints the values in force,\n"
        "secrets masked. `broker up` sets what it needs by itself. The providers have settings of their own: see their READMEs.\n\n"
        + table(("variable", "value", "default", "meaning"), rows)
        + f"\n{_MADE}"
    )


def variable(name: str) -> str:
    """The environment variable of a setting."""
    alias = Settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else f"BROKER_{name.upper()}"


def kind(field: FieldInfo) -> str:
    """What sort of value a setting takes, in a word, with its bounds."""
    word = next((word for known, word in _KINDS.items() if _mentions(field.annotation, known)), "text")
    bounds = [f"{sign} {limit}" for item in field.metadata for sign, limit in _bounds(item)]
    choices = next((item.pattern for item in field.metadata if getattr(item, "pattern", None)), None)
    if choices:
        return ", ".join(choices.strip("^$()").split("|"))
    return f"{word} {', '.join(bounds)}".strip()


_KINDS: dict[type, str] = {SecretStr: "secret", Path: "path", tuple: "list", int: "integer", float: "number"}


def _mentions(annotation: object, wanted: type) -> bool:
    if isinstance(annotation, types.UnionType):
        return any(_mentions(part, wanted) for part in typing.get_args(annotation))
    return (typing.get_origin(annotation) or annotation) is wanted


def _bounds(item: object) -> Iterator[tuple[str, object]]:
    for attribute, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤")):
        limit = getattr(item, attribute, None)
        if limit is not None:
            yield sign, limit


def default(field: FieldInfo) -> str:
    """The default of a setting, as one would write it."""
    if field.is_required():
        return "required"
    return f"`{field.default}`" if field.default not in (None, ()) else ""


def errors_page() -> str:
    """Every refusal, with its public id and the status that each face gives it."""
    rows = sorted((f"`{error.id}`", str(status_of(error)), error.__name__, _doc(error)) for error in error_classes())
    return (
        "# Errors\n\n"
        'A refusal has an `id`, on which programs may rely, and a `message`, which may change: `{"id": "not_found", "message":\n'
        '"Couldn\'t find that app."}`. Some carry more members, such as `resource` or `app`. The status is that of the Platform API.\n\n'
        + table(("id", "status", "class", "meaning"), rows)
        + f"\n{_MADE}"
    )


def error_classes() -> list[type[BrokerError]]:
    """Every class of refusal that is defined anywhere in the broker, the base class left out."""
    for module in pkgutil.walk_packages(broker.__path__, "broker."):
        if not module.name.startswith(_PROGRAMS):
            importlib.import_module(module.name)
    found: list[type[BrokerError]] = []
    waiting: list[type[BrokerError]] = [BrokerError]
    while waiting:
        below = waiting.pop().__subclasses__()
        found += below
        waiting += below
    return found


def _doc(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n\n")[0]


def events_page() -> str:
    """Every kind of event, what it holds and which module records it."""
    rows = [
        (f"`{kind}`", ", ".join(f"`{name}`" for name in names) or "–", ", ".join(f"`{module}`" for module in modules))
        for kind, names, modules in events()
    ]
    return (
        "# Events\n\n"
        "A fact, recorded in the transaction that made it true, so that there is one for each fact and none without. Each has an id,\n"
        "an instant, the actor (id and e-mail), and where it applies the app and the add-on; and the data named here.\n\n"
        + table(("kind", "data", "recorded by"), rows)
        + f"\n{_MADE}"
    )


@functools.cache
def events() -> list[tuple[str, list[str], list[str]]]:
    """Kind, names of its data, modules: found in the calls of `emit`, in which the kind can be read."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for path in sorted((ROOT / "broker").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if "emit(" not in source and "fact(" not in source:
            continue
        module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        for kind, data in _emitted(parsed(source), module):
            names, modules = found.setdefault(kind, (set(), set()))
            names |= data
            modules.add(module)
    return [(kind, sorted(names), sorted(modules)) for kind, (names, modules) in sorted(found.items())]


def _emitted(tree: ast.Module, module: str) -> Iterator[tuple[str, set[str]]]:
    """Kinds and names of data of one module. A kind is a literal, or a parameter for which callers give literals."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for call in [*_calls(function, "emit"), *_calls(function, "fact")]:
            data = {word.arg for word in call.keywords if word.arg} - {"app_id", "addon_id"}
            is_emit = isinstance(call.func, ast.Name) and call.func.id == "emit"
            kinds = list(_literals(call.args[1 if is_emit else 0], function, tree))
            if not kinds and is_emit:
                raise ValueError(
                    f"{module}:{call.lineno}: write the kind of the event as a literal, for the docs to list it"
                )
            yield from ((kind, data) for kind in kinds)


def _literals(kind: ast.expr, function: ast.FunctionDef | ast.AsyncFunctionDef, tree: ast.Module) -> Iterator[str]:
    names = [argument.arg for argument in function.args.args]
    if isinstance(kind, ast.Name) and kind.id in names:
        at = names.index(kind.id)
        for call in _calls(tree, function.name):
            yield from _literals(call.args[at], function, tree)
    elif isinstance(kind, ast.Constant) and isinstance(kind.value, str):
        yield kind.value


def _calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def outcomes_page() -> str:
    """What follows from each kind of answer of a provider, for each call."""
    meanings = member_docs(Answer)
    parts = [
        "# Outcomes of calls to providers\n",
        "Every answer, and every lack of one, is one of the kinds below. What follows is read from a table.\n",
        table(("answer", "what came"), ((f"`{answer.value}`", meanings.get(answer.name, "")) for answer in Answer)),
    ]
    for kind, rows in TABLE.items():
        policy = RETRIES[kind]
        parts += [
            f"## {kind.value.replace('_', ' ').capitalize()}\n",
            f"Called at most {policy.attempts} times: again after {_words(policy.first)}, then after twice as long each time, up to"
            f" {_words(policy.longest)}; later if the provider's `Retry-After` says so.\n",
            table(
                ("answer", "then", "may be left behind", "the user reads", "the operator reads"),
                (
                    (f"`{answer.value}`", row.conclusion.value, _yes(row.orphan), row.user or "–", row.operator or "–")
                    for answer in Answer
                    if (row := rows.get(answer))
                ),
            ),
        ]
    ends = ", ".join(f"`{answer.value}`" for answer in Answer if answer in REVOKED)
    parts += [
        "## Revoke\n",
        "Withdrawing old credentials: not an operation, but part of a rotation. It is over after one of these answers:\n"
        f"{ends}. After any other it is asked again, with pauses that grow to an hour, while the add-on is there.\n",
    ]
    return "\n".join([*parts, _MADE])


def member_docs(enum: type[Enum]) -> dict[str, str]:
    """The texts that stand below the members of an enumeration."""
    body = parsed(inspect.getsource(enum)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for member, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            found[ast.unparse(member.targets[0])] = inspect.cleandoc(str(below.value.value))
    return found


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _words(duration: timedelta) -> str:
    seconds = int(duration.total_seconds())
    return next(
        f"{seconds // size} {unit}" for size, unit in ((3600, "h"), (60, "min"), (1, "s")) if seconds % size == 0
    )


PAGES: dict[Path, Callable[[], str]] = {
    FOLDER / "settings.md": settings_page,
    FOLDER / "errors.md": errors_page,
    FOLDER / "events.md": events_page,
    FOLDER / "outcomes.md": outcomes_page,
    FOLDER / "cli.md": CLI_PAGES["commands"],
    FOLDER / "exit-codes.md": CLI_PAGES["exit-codes"],
    OPENAPI: document,
}


def main() -> None:
    """Write every page that differs, and say which."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path, page in PAGES.items():
        text = page()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")  # noqa: T201 - a program's report


if __name__ == "__main__":
    main()
