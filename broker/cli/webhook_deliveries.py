"""webhooks:deliveries, webhooks:deliveries:info, webhooks:deliveries:retry, webhooks:events, webhooks:events:info."""

from __future__ import annotations

import click

from broker.cli.client import Json, connect, segment
from broker.cli.options import app_option, json_option
from broker.cli.output import card, heading, moment, note, say, say_json, table
from broker.cli.progress import Progress

STATUSES = ["pending", "scheduled", "retrying", "failed", "succeeded", "skipped"]
num_option = click.option("-n", "--num", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many.")


def _path(app: str, noun: str, key: str | None = None) -> str:
    return f"/apps/{segment(app)}/webhook-{noun}" + (f"/{segment(key)}" if key else "")


def _newest(num: int) -> dict[str, str]:
    return {"range": f"seq ..; order=desc,max={num}"}


@click.command()
@app_option
@click.option("-s", "--status", type=click.Choice(STATUSES), help="Those of one status alone.")
@num_option
@json_option
def list_(app: str, status: str | None, num: int, as_json: bool) -> None:
    """List what an app's webhooks were told and how it went, newest last."""
    query = f"?eq[status]={status}" if status else ""
    with connect() as client:
        found = client.get(_path(app, "deliveries") + query, _newest(num))[::-1]
    if as_json:
        say_json(found)
    elif found:
        headings = ("Delivery ID", "Created", "Status", "Include", "Level", "Attempts", "Code", "Error", "Next Attempt")
        say(table([_row(one) for one in found], headings))
    else:
        note(f"{app} has no {status or ''} deliveries.".replace("  ", " "))


def _row(delivery: Json) -> tuple[object, ...]:
    last = delivery["last_attempt"] or {}
    return (
        delivery["id"],
        moment(delivery["created_at"]),
        delivery["status"],
        delivery["event"]["include"],
        delivery["webhook"]["level"],
        delivery["num_attempts"],
        last.get("code"),
        last.get("error_class"),
        moment(delivery["next_attempt_at"]),
    )


@click.command()
@click.argument("delivery")
@app_option
@json_option
def info(delivery: str, app: str, as_json: bool) -> None:
    """Show a delivery and what was told."""
    with connect() as client:
        found = client.get(_path(app, "deliveries", delivery))
        event = client.get(_path(app, "events", found["event"]["id"]))
    if as_json:
        say_json({**found, "payload": event["payload"]})
        return
    last = found["last_attempt"] or {}
    heading(found["id"])
    fields = {
        "Created": moment(found["created_at"]),
        "Event": found["event"]["id"],
        "Webhook": found["webhook"]["id"],
        "Status": found["status"],
        "Include": found["event"]["include"],
        "Level": found["webhook"]["level"],
        "Attempts": found["num_attempts"],
        "Code": last.get("code"),
        "Error": last.get("error_class"),
        "Next attempt": moment(found["next_attempt_at"]),
    }
    say(card(fields))
    say()
    heading("Event Payload")
    say_json(event["payload"])


@click.command()
@click.argument("delivery")
@app_option
@json_option
def retry(delivery: str, app: str, as_json: bool) -> None:
    """Make a delivery again, whether it failed or not, or now instead of at its time."""
    with connect() as client, Progress(f"Repeating delivery {delivery}") as progress:
        found = client.post(_path(app, "deliveries", delivery) + "/actions/retry")
        progress.done("will be made at once")
    if as_json:
        say_json(found)


@click.command()
@app_option
@num_option
@json_option
def events(app: str, num: int, as_json: bool) -> None:
    """List what an app's webhooks were told, newest last."""
    with connect() as client:
        found = client.get(_path(app, "events"), _newest(num))[::-1]
    if as_json:
        say_json(found)
    elif found:
        say(table([_event_row(one) for one in found], ("Event ID", "Resource", "Action", "Published")))
    else:
        note(f"{app} has no events.")


def _event_row(event: Json) -> tuple[object, ...]:
    payload = event["payload"]
    return event["id"], payload["resource"], payload["action"], moment(payload["published_at"])


@click.command()
@click.argument("event")
@app_option
@json_option
def event_info(event: str, app: str, as_json: bool) -> None:
    """Show what was told: the payload as it was sent, or with --json the whole event."""
    with connect() as client:
        found = client.get(_path(app, "events", event))
    say_json(found if as_json else found["payload"])
