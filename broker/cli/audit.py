"""audit, audit:export, audit:verify: who did what, and the proof that nobody has changed the record of it."""

from __future__ import annotations

import json
import sys
from typing import Any, Final
from urllib.parse import urlencode

import click

from broker.cli.client import Client, Json, connect
from broker.cli.errors import CliError, NotFound, StillWaiting
from broker.cli.options import json_option
from broker.cli.output import clean, heading, moment, note, say, say_json, table
from broker.cli.progress import Progress

_PART: Final = 500


def _filters(command: Any) -> Any:
    for option in (
        click.option("--until", metavar="INSTANT", help="Before this instant."),
        click.option("--since", metavar="INSTANT", help="From this instant on, such as 2026-11-01T00:00:00Z."),
        click.option("--kind", help="One kind such as app.created, or all of a noun: app."),
        click.option("--by", metavar="EMAIL", help="What this account did."),
        click.option("--app", "-a", help="What happened to this app."),
    ):
        command = option(command)
    return command


@click.command()
@_filters
@click.option("--number", "-n", type=click.IntRange(1, 1000), default=30, show_default=True, help="How many at most.")
@json_option
def show(number: int, as_json: bool, **wanted: str | None) -> None:
    """Show who did what: you and others to your apps; operators see everything. The newest come first."""
    with connect() as client:
        headers = {"Range": f"id ..; max={number}, order=desc"}
        found: list[Json] = client.get(f"/audit/entries?{_query(wanted)}", headers=headers)
    if as_json:
        say_json(found)
    elif found:
        heading("Audit")
        rows = [(moment(e["at"]), e["actor"]["email"], e["address"], e["kind"], _about(e)) for e in found]
        say(table(rows, ("When", "Who", "From", "What", "About")))
    else:
        note("There is nothing to show.")


@click.command()
@_filters
def export(**wanted: str | None) -> None:
    """Write every entry to standard output, the oldest first: one JSON object per line."""
    written, start = 0, ""
    with connect() as client, Progress("Exporting") as progress:
        progress.tell(lambda: f"{written} entries")
        part: list[Json] = [{}]
        while part:
            asked = {"Range": f"id ]{start}..; max={_PART}"}
            part = client.get(f"/audit/entries?{_query(wanted)}", headers=asked)
            for entry in part:
                sys.stdout.write(json.dumps(entry, sort_keys=True) + "\n")
                start = entry["id"]
            written += len(part)
        progress.done(f"{written} entries")


@click.command()
@click.option(
    "--head", metavar="POSITION:DIGEST", help="What an earlier run said: that link must still be there, unchanged."
)
@json_option
def verify(head: str | None, as_json: bool) -> None:
    """Compute the whole chain of the audit again (operators).

    Exits with 1 if anything was changed, removed or slipped in, and says what; with 7 if nothing was, but facts have been
    waiting to be sealed for more than five minutes, because no worker runs. Keep the head that it prints somewhere else: with
    `--head` a later run proves that nothing up to there was written anew.
    """
    found: dict[str, Any] = {
        "links": 0,
        "head": 0,
        "digest": "",
        "differences": [],
        "unsealed": 0,
        "waiting_since": None,
    }
    with connect() as client, Progress("Verifying") as progress:
        kept = None if head is None else _kept(client, head)
        progress.tell(lambda: f"{found['links']} links")
        after: int | None = 0
        while after is not None:
            part = client.get(f"/audit/verification?after={after}")
            found["links"] += part["links"]
            found["differences"] += part["differences"]
            found |= {key: part[key] for key in ("head", "digest", "unsealed", "waiting_since")}
            after = part["after"]
        progress.done(f"{found['links']} links")
    if kept is not None:
        found["differences"].append(kept)
    found["state"] = _verdict(found)
    if as_json:
        say_json(found)
    else:
        for difference in found["differences"]:
            say(clean(difference))
        say(f"Head: {found['head']}:{found['digest']}  ({found['unsealed']} not sealed yet)")
    if found["differences"]:
        raise CliError(f"{len(found['differences'])} differences in the audit.")
    if found["waiting_since"]:
        raise StillWaiting(
            f"Nothing differs, but {found['unsealed']} facts wait to be sealed since {moment(found['waiting_since'])}.",
            "Start a worker (`broker worker`), and verify again.",
        )


def _verdict(found: dict[str, Any]) -> str:
    """Of all parts together."""
    if found["differences"]:
        return "differs"
    return "waits" if found["waiting_since"] else "agrees"


def _kept(client: Client, head: str) -> str | None:
    """What is wrong with the link that was the head once."""
    position, _, digest = head.partition(":")
    if not (position.isascii() and position.isdigit() and digest):
        raise CliError("--head is POSITION:DIGEST, as an earlier audit:verify printed it.")
    if position == "0":
        return None
    try:
        link = client.get(f"/audit/links/{position}")
    except NotFound:
        return f"Link {position} is missing: the chain was cut off or written anew."
    same = link["digest"] == digest
    return None if same else f"Link {position} is another one than was kept: the chain was written anew."


def _about(entry: Json) -> str:
    said = [f"{key}={value}" for key, value in entry["data"].items() if isinstance(value, str | int) and value != ""]
    return clean(" ".join(said))[:100]


def _query(wanted: dict[str, str | None]) -> str:
    return urlencode({key: value for key, value in wanted.items() if value is not None})
