"""services:health: how the providers answer, one line each."""

from __future__ import annotations

import click

from broker.cli.client import Json, connect, segment
from broker.cli.options import complete_service, json_option
from broker.cli.output import moment, note, say, say_json, table

_WORDS = {"closed": "ok", "open": "left alone", "half_open": "being tried"}


@click.command()
@click.argument("service", required=False, metavar="[SERVICE]", shell_complete=complete_service)
@json_option
def services(service: str | None, as_json: bool) -> None:
    """Show how the providers of all services, or of one, have been answering."""
    with connect() as client:
        path = f"/addon-services/{segment(service)}/health" if service else "/provider-health"
        answer = client.get(path)
    if as_json:
        say_json(answer)
        return
    found = [answer] if service else answer
    if not found:
        note("The marketplace is empty.")
        return
    rows = [_row(item) for item in found]
    say(table(rows, ("Service", "State", "Faults", "Last ok", "Last fault", "Next try", "Operations")))


def _row(item: Json) -> tuple[object, ...]:
    state = "failing" if item["circuit"] == "closed" and item["faults"] else _WORDS.get(item["circuit"])
    fault = f"{item['last_fault']}, {moment(item['last_fault_at'])}" if item["last_fault"] else None
    operations = f"{item['running']} running, {item['queued']} queued, {item['waiting']} waiting"
    ok, following = moment(item["last_ok_at"]), moment(item["next_try_at"])
    return item["service"], state or item["circuit"], item["faults"], ok, fault, following, operations
