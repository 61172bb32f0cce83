"""services:health: how the providers answer, one line each."""

from __future__ import annotations

import click

from broker.cli.client import Json, connect, segment
from broker.cli.options import complete_service, json_option
from broker.cli.output import card, clean, moment, note, say, say_json, table

_WORDS = {"closed": "ok", "open": "left alone", "half_open": "being tried"}


@click.command()
@click.argument("service", required=False, metavar="[SERVICE]", shell_complete=complete_service)
@json_option
def services(service: str | None, as_json: bool) -> None:
    """Show how the providers of all services, or of one, have been answering, and how reliable one has proved."""
    with connect() as client:
        path = f"/addon-services/{segment(service)}/health" if service else "/provider-health"
        answer = client.get(path)
        record = client.get(f"/addon-services/{segment(service)}/reliability") if service else None
    if as_json:
        say_json(answer if record is None else answer | {"reliability": record})
        return
    found = [answer] if service else answer
    if not found:
        note("The marketplace is empty.")
        return
    rows = [_row(item) for item in found]
    say(table(rows, ("Service", "State", "Faults", "Last ok", "Last fault", "Next try", "Operations")))
    if record:
        say("\n" + card(record_lines(record)))
    else:
        note("How reliable one has proved: `broker services:health SERVICE`.")


def record_lines(record: Json) -> dict[str, object]:
    """What was measured of a service: in trials, and of add-ons that were really made."""
    trials, real = record["canary"], record["provisions"]
    if not real["measured"]:
        return {"Trials": trials_text(trials), "Real add-ons": "Too few in the last 30 days to say anything."}
    times = [f"{real[key] / 1000:.1f}" for key in ("median_ms", "p95_ms")]
    told = f"{real['succeeded_percent']:.2f} % came into being; ready after {times[0]} s, within {times[1]} s in 95 of 100."
    return {"Trials": trials_text(trials), "Real add-ons": told}


def trials_text(trials: Json | None) -> str:
    """What a canary has measured, in words."""
    if trials is None:
        return "Not measured: its partner has no canary."
    available = trials["available_percent"] if trials["measured"] else None
    more = f" Up {available:.2f} % of the time that was watched." if available is not None else ""
    return clean(f"{trials['summary']}{more}")


def _row(item: Json) -> tuple[object, ...]:
    state = "failing" if item["circuit"] == "closed" and item["faults"] else _WORDS.get(item["circuit"])
    fault = f"{item['last_fault']}, {moment(item['last_fault_at'])}" if item["last_fault"] else None
    operations = f"{item['running']} running, {item['queued']} queued, {item['waiting']} waiting"
    ok, following = moment(item["last_ok_at"]), moment(item["next_try_at"])
    return item["service"], state or item["circuit"], item["faults"], ok, fault, following, operations
