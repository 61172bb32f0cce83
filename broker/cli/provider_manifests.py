"""provider:manifest:push, pull, diff, versions: the registry of manifests, for partners."""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path

import click

from broker.cli.client import Client, Json, connect, segment
from broker.cli.errors import NotFound, RefusedMissing
from broker.cli.manifest_files import NAME, comparable, default_file, read_manifest, write_manifest
from broker.cli.options import json_option
from broker.cli.output import clean, heading, moment, note, paint, say, say_json, table, warn

_FILE = click.Path(dir_okay=False, path_type=Path)


def registry(slug: str) -> str:
    """The path of a service in the registry."""
    return f"/api/v3/addons/{segment(slug)}"


@click.command()
@click.argument("file", required=False, type=_FILE, metavar=f"[{NAME}]")
@click.option("--no-write", is_flag=True, help="Leave the file as it is, instead of writing the stored form into it.")
@json_option
def push(file: Path | None, no_write: bool, as_json: bool) -> None:
    """Push a manifest: the first push registers the service, with you as its owner.

    The stored form, with the revision as `$base`, is written back into the file. The first push also gives the OAuth client
    secret of the service, once: keep it.
    """
    path = file or default_file()
    contents = read_manifest(path)
    with connect() as client:
        stored: Json = client.post(f"{registry(contents['id'])}/manifests", {"contents": contents})
    if not no_write:
        write_manifest(path, stored["contents"])
    if as_json:
        say_json(stored)
        return
    say(f"{contents['id']} is at revision {stored['revision']}.")
    if secret := stored.get("client_secret"):
        say(f"OAuth client secret: {secret}")
        note("It is shown this once; your program exchanges grants with it. Next: `broker provider:listing`.")


@click.command()
@click.argument("slug")
@click.option("--to", "file", type=_FILE, metavar="FILE", help=f"Where to; otherwise {NAME}.")
@click.option("--version", "version", metavar="REVISION|ID", help="An older version instead of the newest.")
@click.option("--stdout", "to_stdout", is_flag=True, help="Print it, with its secrets, and write no file.")
@json_option
def pull(slug: str, file: Path | None, version: str | None, to_stdout: bool, as_json: bool) -> None:
    """Get the manifest of a service into a file."""
    with connect() as client:
        found = _version(client, slug, version)
    if to_stdout:
        say_json(found["contents"])
        return
    path = file or default_file()
    write_manifest(path, found["contents"])
    if as_json:
        say_json({"file": str(path), **{key: value for key, value in found.items() if key != "contents"}})
    else:
        say(f"Revision {found['revision']} of {clean(slug)} is in {clean(path)}.")


@click.command()
@click.argument("file", required=False, type=_FILE, metavar=f"[{NAME}]")
@click.option("--version", "version", metavar="REVISION|ID", help="Compare with an older version than the newest.")
@click.option("--exit-code", is_flag=True, help="End with status 1 when there are differences.")
@json_option
@click.pass_context
def diff(context: click.Context, file: Path | None, version: str | None, exit_code: bool, as_json: bool) -> None:
    """Compare a manifest with what was pushed; secrets are compared, not shown."""
    path = file or default_file()
    contents = read_manifest(path)
    with connect() as client:
        stored = _version(client, contents["id"], version)
    before, after = (comparable(one, stored["contents"]) for one in (stored["contents"], contents))
    lines = list(unified_diff(before, after, f"revision {stored['revision']}", str(path), lineterm=""))
    if as_json:
        say_json(
            {"revision": stored["revision"], "base": contents.get("$base"), "different": bool(lines), "diff": lines}
        )
    elif lines:
        say("\n".join(_painted(clean(line)) for line in lines))
    else:
        note(f"There are no differences to revision {stored['revision']}.")
    if not version and contents.get("$base") not in (None, stored["revision"]):
        warn(
            f"{path} is based on revision {contents['$base']}, the newest is {stored['revision']}: pull before you push."
        )
    if lines and exit_code:
        context.exit(1)


@click.command()
@click.argument("slug")
@json_option
def versions(slug: str, as_json: bool) -> None:
    """List the versions of a manifest."""
    with connect() as client:
        found: list[Json] = client.get(f"{registry(slug)}/manifests")
    if as_json:
        say_json(found)
        return
    heading(f"{slug} Manifests")
    rows = [(one["revision"], moment(one["created_at"]), one["pushed_by"], one["id"]) for one in found]
    say(table(rows, ("Revision", "Pushed", "By", "Id")))


def _version(client: Client, slug: str, version: str | None) -> Json:
    try:
        path = f"/manifests/{segment(version)}" if version else "/current_manifest"
        found: Json = client.get(f"{registry(slug)}{path}")
    except RefusedMissing as missing:
        hint = f"See `broker provider:manifest:versions {slug}`." if version else "Push it first, or check the slug."
        raise NotFound(missing.message, hint) from missing
    return found


def _painted(line: str) -> str:
    colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
    return paint(line, colour) if colour else line
