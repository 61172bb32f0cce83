"""provider:operations, provider:operations:replay, provider:deliveries, provider:deliveries:retry: what a provider was asked for
and told, over all add-ons of its service, and sending it once more."""

from __future__ import annotations

from typing import Final

import click

from broker.cli.client import Json, connect, segment
from broker.cli.options import json_option
from broker.cli.output import clean, moment, note, say, say_json, table
from broker.cli.provider_listings import own
from broker.cli.webhook_deliveries import STATUSES, num_option

_SENDS: Final = {"now": "can be sent now", "again": "can be sent again", "removal": "the removal can be sent now"}
_SENT: Final = {
    "now": "The call goes out at once, as one of its attempts.",
    "again": "The call is sent again, as an operation of its own.",
    "removal": "The provider is asked at once to remove what may be left.",
}


def _newest(num: int) -> dict[str, str]:
    return {"range": f"id ..; order=desc,max={num}"}


@click.command()
@click.argument("slug")
@click.option("--open", "is_open", is_flag=True, help="Those that are not finished alone.")
@num_option
@json_option
def operations(slug: str, is_open: bool, num: int, as_json: bool) -> None:
    """List what the broker asked a provider for and what came of it, newest last.

    The last column says what can be sent once more with `provider:operations:replay`; with --json also why nothing can.
    """
    with connect() as client:
        path = f"{own(slug)}/operations" + ("?unfinished=true" if is_open else "")
        found: list[Json] = client.get(path, _newest(num))[::-1]
    if as_json:
        say_json(found)
    elif found:
        headings = ("Operation ID", "Began", "Add-on", "Kind", "State", "Attempts", "Last answer", "")
        say(table([_operation(one) for one in found], headings))
    else:
        note(f"{slug} has no {'open ' if is_open else ''}operations.")


def _operation(one: Json) -> tuple[object, ...]:
    last = one["steps"][-1] if one["steps"] else {}
    answer = last.get("status") or last.get("outcome")
    replay = _SENDS.get(one["replay"] or "")
    return (
        one["id"], moment(one["created_at"]), one["addon"]["name"], one["kind"], one["state"], one["attempts"],
        None if answer is None else clean(str(answer)), replay,
    )  # fmt: skip


@click.command()
@click.argument("slug")
@click.argument("operation")
@json_option
def replay(slug: str, operation: str, as_json: bool) -> None:
    """Have the call of an operation sent again, where that is safe (owners and admins).

    Nothing is ever made twice by it: a provision that was given up stays so.
    """
    with connect() as client:
        sent: Json = client.post(f"{own(slug)}/operations/{segment(operation)}/actions/replay")
    if as_json:
        say_json(sent)
    else:
        note(_SENT.get(sent["sent"], "It is sent."))


@click.command()
@click.argument("slug")
@click.option("-s", "--status", type=click.Choice(STATUSES), help="Those of one status alone.")
@num_option
@json_option
def deliveries(slug: str, status: str | None, num: int, as_json: bool) -> None:
    """List what a provider's webhooks were told over all add-ons of a service and how it went, newest last."""
    with connect() as client:
        path = f"{own(slug)}/webhook-deliveries" + (f"?eq[status]={status}" if status else "")
        found: list[Json] = client.get(path, _newest(num))[::-1]
    if as_json:
        say_json(found)
    elif found:
        headings = (
            "Delivery ID",
            "Created",
            "Add-on",
            "Include",
            "Host",
            "Status",
            "Attempts",
            "Answer",
            "Next Attempt",
        )
        say(table([_delivery(one) for one in found], headings))
    else:
        note(f"{slug} has no {f'{status} ' if status else ''}deliveries.")


def _delivery(one: Json) -> tuple[object, ...]:
    return (
        one["id"], moment(one["created_at"]), one["addon"]["name"], one["include"], one["host"], one["status"],
        one["num_attempts"], one["answer"], moment(one["next_attempt_at"]),
    )  # fmt: skip


@click.command()
@click.argument("slug")
@click.argument("delivery")
@json_option
def retry(slug: str, delivery: str, as_json: bool) -> None:
    """Make a delivery again, whether it failed or not, or now instead of at its time (owners and admins)."""
    with connect() as client:
        found: Json = client.post(f"{own(slug)}/webhook-deliveries/{segment(delivery)}/actions/retry")
    if as_json:
        say_json(found)
    else:
        note(f"Delivery {found['id']} will be made at once.")
