"""provider:listing, provider:review, provider:badge, provider:sunset: the life of a listing, for its partner."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import click

from broker.cli.client import Json, connect, segment
from broker.cli.errors import CliError, Misused
from broker.cli.options import json_option
from broker.cli.output import card, clean, dollars, heading, moment, note, paint, say, say_json, table

_MARKS = {True: "yes", False: "no", None: "by hand"}
_COLOURS = {True: "green", False: "red", None: "yellow"}


def own(slug: str) -> str:
    """The path of a service that one works on."""
    return f"/provider-services/{segment(slug)}"


@click.command()
@click.argument("slug", required=False)
@json_option
def listing(slug: str | None, as_json: bool) -> None:
    """Show where a listing stands, its plans and prices, and what it needs for its next state.

    Without SLUG, the services that you work on.
    """
    with connect() as client:
        found: Any = client.get(own(slug)) if slug else client.get_all("/provider-services")
    if as_json:
        say_json(found)
    elif slug:
        show_listing(found)
    elif found:
        rows = [(one["name"], one["human_name"], one["state"], one["revision"], one["role"]) for one in found]
        say(table(rows, ("Slug", "Name", "State", "Revision", "Your role")))
    else:
        note("You work on no service. Begin with `broker provider:init NAME`.")


@click.command()
@click.argument("slug")
@click.option(
    "--kit",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What `broker provider:test --json` printed: it speaks for your provider.",
)
@json_option
def review(slug: str, kit: Path | None, as_json: bool) -> None:
    """Ask the operators to bring a listing to its next state: beta, then general availability."""
    with connect() as client:
        asked: Json = client.post(f"{own(slug)}/reviews", {"kit": _report(kit)} if kit else {})
    if as_json:
        say_json(asked)
        return
    say(f"The operators are asked to bring {clean(slug)} to {asked['wanted']}.")
    show_points(asked["checklist"])


@click.command()
@click.argument("slug")
@click.argument("statement", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def badge(slug: str, statement: Path, as_json: bool) -> None:
    """Show with a listing that its provider passes the test kit, until another manifest is pushed.

    STATEMENT is what `broker provider:certify` wrote, signed with a key that the operators trust.
    """
    with connect() as client:
        found: Json = client.post(f"{own(slug)}/conformance", _report(statement))
    if as_json:
        say_json(found)
    else:
        say(f"{clean(slug)} is shown as conformant, at revision {found['revision']}.")


@click.command()
@click.argument("slug")
@click.option("--at", required=True, metavar="DATE", help="Day on which it ends, such as 2027-06-30.")
@click.option("--successor", metavar="SERVICE[:PLAN]", help="What its users are told to move to.")
@json_option
def sunset(slug: str, at: str, successor: str | None, as_json: bool) -> None:
    """Take no new add-ons of a service, and tell everybody who has one when it ends."""
    body = {"at": _instant(at), "successor": successor}
    with connect() as client:
        found: Json = client.post(f"{own(slug)}/actions/sunset", body)
    if as_json:
        say_json(found)
    else:
        say(clean(found["sunset"]["message"]))


def show_listing(found: Json) -> None:
    """Print a listing for its partner."""
    heading(found["name"])
    end = found["sunset"]
    fields = {
        "Name": found["human_name"],
        "State": found["state"],
        "Ends": end and moment(end["at"]),
        "Successor": end and end["successor"],
        "Revision": found["revision"],
        "Conformant": badge_text(found["conformance"]),
        "Trials": found["reliability"] and found["reliability"]["summary"],
        "Your role": found["role"],
    }
    say(card(fields))
    rows = [(plan["name"], plan["state"], _cost(plan), _history(plan)) for plan in found["plans"]]
    say("\n" + table(rows, ("Plan", "For", "Price", "Before")))
    if found["next_state"]:
        pending = "under review" if found["review_pending"] else f"ask with `broker provider:review {found['name']}`"
        say(f"\nNext: {found['next_state']} ({clean(pending)})")
        show_points(found["checklist"])


def show_points(points: list[Json]) -> None:
    """Print a checklist."""
    size = max(len(mark) for mark in _MARKS.values())
    for point in points:
        mark = paint(_MARKS[point["met"]].ljust(size), _COLOURS[point["met"]])
        say(f"  {mark}  {clean(point['name'])}: {clean(point['title'])}")


def badge_text(conformance: Json | None) -> str | None:
    """The badge of the test kit in words."""
    if not conformance:
        return None
    strictly = ", strictly" if conformance["strict"] else ""
    return f"passes the test kit {conformance['kit']}{strictly} ({conformance['at'][:10]})"


def _cost(amount: Json) -> str:
    if not amount["price_cents"]:
        return "free"
    return f"{dollars(amount['price_cents'])} {amount['currency'].upper()}/month"


def _history(plan: Json) -> str:
    """The prices before, which the add-ons of their time keep."""
    return ", ".join(_cost(price) for price in plan["prices"][:-1])


def _report(path: Path) -> Json:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise CliError(f"{path} is nothing that the test kit has written.")
    return found


def _instant(text: str) -> str:
    """A day, or an exact time, as the API wants it. A day without time begins at midnight UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Misused(f"{clean(text)!r} is no date.", "Write it as 2027-06-30.") from None
    at = datetime.combine(at.date(), time(), UTC) if "T" not in text else at
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()
