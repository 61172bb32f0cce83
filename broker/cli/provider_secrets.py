"""provider:rotate-secret, provider:client-secret: new secrets for a service, the old ones valid for a while."""

from __future__ import annotations

from pathlib import Path

import click

from broker.cli.client import Json, connect
from broker.cli.manifest_files import default_file, read_manifest, write_manifest
from broker.cli.options import json_option
from broker.cli.output import clean, note, say, say_json
from broker.cli.provider_manifests import registry

_immediate = click.option("--immediate", is_flag=True, help="Refuse the old one from now on, not after a day.")


@click.command()
@click.argument("slug")
@_immediate
@click.option(
    "--to",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Manifest to write them into; otherwise the one of this directory, if it is this service's.",
)
@json_option
def rotate(slug: str, immediate: bool, file: Path | None, as_json: bool) -> None:
    """Give a service a new password and SSO salt.

    The broker uses the new ones from now on, and accepts the old password from your program for a day more. A program that
    can take two passwords at once misses nothing; to choose the new ones yourself, change the manifest and push it.
    """  # fmt: skip
    path = file or _own_file(slug)
    with connect() as client:
        stored: Json = client.post(f"{registry(slug)}/secrets", {"immediate": immediate})
    if path is not None:
        write_manifest(path, stored["contents"])
    if as_json:
        say_json(stored)
        return
    say(f"{clean(slug)} has new secrets, at revision {stored['revision']}.")
    where = f"They are in {clean(path)}" if path else f"Get them with `broker provider:manifest:pull {clean(slug)}`"
    note(f"{where}; give them to your program now.")


@click.command("client-secret")
@click.argument("slug")
@_immediate
@json_option
def client_secret(slug: str, immediate: bool, as_json: bool) -> None:
    """Make a new OAuth client secret for a service, and show it this once (owners)."""
    with connect() as client:
        made: Json = client.post(f"{registry(slug)}/client-secret", {"immediate": immediate})
    if as_json:
        say_json(made)
        return
    say(f"OAuth client secret: {made['client_secret']}")
    note("The old one is refused from now on." if immediate else "The old one is valid for a day more.")


def _own_file(slug: str) -> Path | None:
    """The manifest of this directory, if there is one and it is this service's."""
    path = default_file()
    return path if path.exists() and read_manifest(path)["id"] == slug else None
