"""Writes the pages of docs/reference that are made from the code: `make docs`. The texts stand in the code itself.

Pages about the command line come from broker.cli.reference; the page about manifests is written by hand.
"""

from __future__ import annotations

import ast
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
from broker.addons.outcomes import RETRIES, TABLE
from broker.addons.ports import Answer
from broker.cli.reference import PAGES as CLI_PAGES
from broker.kernel.errors import BrokerError
from broker.platform_api.errors import status_of
from broker.settings import Settings

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


def events() -> list[tuple[str, list[str], list[str]]]:
    """Kind, names of its data, modules: found in the calls of `emit`, which take the kind as a literal text."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for path in sorted((ROOT / "broker").rglob("*.py")):
        for call in _emits(ast.parse(path.read_text(encoding="utf-8"))):
            names, modules = found.setdefault(_literal(call.args[1], path), (set(), set()))
            names |= {word.arg for word in call.keywords if word.arg} - {"app_id", "addon_id"}
            modules.add(path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."))
    return [(kind, sorted(names), sorted(modules)) for kind, (names, modules) in sorted(found.items())]


def _emits(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "emit":
            yield node


def _literal(node: ast.expr, path: Path) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise ValueError(f"{path}:{node.lineno}: the kind of an event must be a literal, so that the docs can list it")


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
            f"Repeated at most {policy.attempts} times: first after {_words(policy.first)}, then twice as late each time, up to"
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
    return "\n".join([*parts, _MADE])


def member_docs(enum: type[Enum]) -> dict[str, str]:
    """The texts that stand below the members of an enumeration."""
    body = ast.parse(inspect.getsource(enum)).body[0]
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


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "errors.md": errors_page,
    "events.md": events_page,
    "outcomes.md": outcomes_page,
    "cli.md": CLI_PAGES["commands"],
    "exit-codes.md": CLI_PAGES["exit-codes"],
}


def main() -> None:
    """Write every page that differs, and say which."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        path, text = FOLDER / name, page()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")  # noqa: T201 - a program's report


if __name__ == "__main__":
    main()
