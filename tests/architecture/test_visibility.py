"""Not yours answers like not there: whatever reads for somebody goes through the doors that say who sees what."""

import ast
import re
from pathlib import Path

from scripts.trees import parsed
from tests.architecture.source import modules, nodes, place

TENANT = {"App", "Addon", "AddonConfig", "Attachment", "Collaborator", "ConfigVar", "Operation", "Release"}
"""Tables whose rows belong to somebody."""

DOORS = re.compile(
    r"(visible|changeable|may_see|may_open|seen|lock_visible)(_\w+)?|viewing|role_of|find_addons|find_attachments"
)
"""Functions that begin with what the actor may see."""

CHECKED_BEFORE = {
    "broker/addons/config.py displace": "its caller holds the lock of the app",
    "broker/addons/service_trail.py list_trail": "tells those who make the service what their program was asked for",
}
"""Functions that are handed what has been looked up already."""

TELLS_WHO_SEES = {"broker/apps/visibility.py", "broker/apps/collaborators.py"}

ASKS_NOBODY = {"broker/addons/popularity.py:21": "counts the installs of others for everybody to see"}
"""Where an owner is compared with somebody who does not ask."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def names(node: ast.AST) -> set[str]:
    return {part.id if isinstance(part, ast.Name) else part.attr for part in ast.walk(node) if is_name(part)}


def is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name | ast.Attribute)


def reads_for_an_actor(function: Function) -> bool:
    """It is told who asks, and is not given something locked, which has been looked up."""
    arguments = [*function.args.args, *function.args.kwonlyargs]
    types = set[str]().union(*(names(argument.annotation) for argument in arguments if argument.annotation))
    return "Actor" in types and not types & {"LockedAddon", "LockedApp"}


def asks_for(function: Function) -> set[str]:
    """The tenants' tables that it reads. What is changed and removed goes by ids, which somebody has looked up."""
    found: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("select", "exists"):
            found |= names(node) & TENANT
    return found


def functions(path: Path) -> list[Function]:
    return [node for node in nodes(path) if isinstance(node, Function)]


def goes_past_the_doors(function: Function) -> bool:
    return (
        reads_for_an_actor(function)
        and bool(asks_for(function))
        and not any(DOORS.fullmatch(name) for name in names(function))
    )


def test_who_reads_for_an_actor_begins_with_what_the_actor_may_see() -> None:
    past = {
        f"{place(path)} {function.name}"
        for path in modules("broker")
        for function in functions(path)
        if goes_past_the_doors(function)
    }
    assert past - set(CHECKED_BEFORE) == set(), "begin with a `visible_*`, or say here who has checked before"
    assert set(CHECKED_BEFORE) - past == set(), "these are no exceptions any more"


def test_only_one_place_says_who_sees_an_app() -> None:
    """An owner is not all that there is to it: there are collaborators, and tokens that are limited."""
    found = {
        place(path, node)
        for path in modules("broker")
        if place(path) not in TELLS_WHO_SEES
        for node in nodes(path)
        if isinstance(node, ast.Compare) and decides_by_owner(node)
    }
    assert found == set(ASKS_NOBODY), "ask `apps/visibility.py` who sees it, and `apps/collaborators.py` who owns it"


def decides_by_owner(node: ast.Compare) -> bool:
    """It compares the owner with somebody who asks, and not with an account that pays or is shown."""
    sides = [ast.unparse(side).lower() for side in (node.left, *node.comparators)]
    owners = ("app.owner_id", "collaborator.user_id")
    others = [side for side in sides if not side.endswith(owners)]
    return len(others) < len(sides) and any(re.search(r"actor|user_id|viewer|who\b|param", side) for side in others)


def test_the_rule_would_find_one_who_looks_past_the_doors() -> None:
    source = "async def spy(tx: Tx, actor: Actor):\n    return await tx.execute(select(App.id))"
    (spy,) = [node for node in ast.walk(parsed(source)) if isinstance(node, Function)]
    assert goes_past_the_doors(spy)
    (compare,) = [node for node in ast.walk(parsed("App.owner_id == actor.id")) if isinstance(node, ast.Compare)]
    assert decides_by_owner(compare)
