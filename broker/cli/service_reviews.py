"""services:reviews, approve, refuse, shutdown: the operators' part in the life of a listing."""

from __future__ import annotations

import click

from broker.cli.client import Json, connect
from broker.cli.options import json_option
from broker.cli.output import clean, heading, moment, note, say, say_json
from broker.cli.provider_listings import own, show_points


@click.command()
@json_option
def reviews(as_json: bool) -> None:
    """List the reviews that wait for a decision, with their checklists (operators)."""
    with connect() as client:
        found = client.get_all("/service-reviews")
    if as_json:
        say_json(found)
        return
    for one in found:
        heading(f"{one['service']} to {one['wanted']}")
        say(f"Asked by {clean(one['requested_by'])}, {moment(one['created_at'])}")
        show_points(one["checklist"])
    if not found:
        note("No review is pending.")


@click.command()
@click.argument("slug")
@click.option("--checked", multiple=True, metavar="POINT", help="What you have checked by hand; may be repeated.")
@click.option("--override", is_flag=True, help="Approve although points are open; --note says why.")
@click.option("--note", "reason", metavar="TEXT", help="A word about it, kept with the review.")
@json_option
def approve(slug: str, checked: tuple[str, ...], override: bool, reason: str | None, as_json: bool) -> None:
    """Bring a listing to the state that its owner asks for (operators)."""
    body = {"checked": list(checked), "override": override, "note": reason}
    with connect() as client:
        decided: Json = client.post(f"{own(slug)}/actions/approve", body)
    if as_json:
        say_json(decided)
    else:
        say(f"{clean(slug)} is {decided['wanted']}.")


@click.command()
@click.argument("slug")
@click.option("--note", "reason", required=True, metavar="TEXT", help="Why not; its owner reads it.")
@json_option
def refuse(slug: str, reason: str, as_json: bool) -> None:
    """Leave a listing as it is, and tell its owner why (operators)."""
    with connect() as client:
        decided: Json = client.post(f"{own(slug)}/actions/refuse", {"note": reason})
    if as_json:
        say_json(decided)
    else:
        say(f"The review of {clean(slug)} is closed; its owner can ask for another.")


@click.command()
@click.argument("slug")
@json_option
def shutdown(slug: str, as_json: bool) -> None:
    """End a service whose announced day has come (operators).

    Add-ons that are left stay visible and can be destroyed.
    """
    with connect() as client:
        found: Json = client.post(f"{own(slug)}/actions/shutdown")
    if as_json:
        say_json(found)
    else:
        say(f"{clean(slug)} is shut down.")
