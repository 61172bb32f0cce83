"""provider:serve: a marketplace for one provider on this machine, to click through."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from broker.cli.errors import Misused
from broker.cli.manifest_files import default_file
from broker.cli.options import json_option
from broker.cli.output import clean, note, say, say_json

if TYPE_CHECKING:
    import socket

    from broker.testkit.subject import Subject


@click.command("provider:serve")
@click.argument("manifest", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--base-url", metavar="ORIGIN", help="Scheme, host and port instead of those in the manifest's URLs.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default="a free one", help="Port on 127.0.0.1.")
@json_option
def provider_serve(manifest: Path | None, base_url: str | None, port: int, as_json: bool) -> None:
    """Offer one provider in a marketplace on this machine, without a broker.

    Provision, change plans, sign on, remove, and see every request and answer. Runs until Ctrl-C, then removes what
    was made.
    """
    from broker.testkit.listen import CannotListen, bound
    from broker.testkit.subject import Unusable, read, sound_subject

    try:
        tested = sound_subject(read(manifest or default_file()), base_url)
        listener = bound(port=port)
    except (Unusable, CannotListen) as error:
        raise Misused(str(error)) from None
    asyncio.run(_run(tested, listener, as_json))
    note("Stopped.")


async def _run(subject: Subject, listener: socket.socket, as_json: bool) -> None:
    from broker.testkit.listen import origin_of
    from broker.testkit.serve import marketplace

    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    url = origin_of(listener)
    async with marketplace(subject, listener) as left:
        if as_json:
            say_json({"url": url})
        else:
            say(url)
        note(f"A marketplace for {clean(subject.resources_url)}. Stop with Ctrl-C.")
        await stopped.wait()
    for line in left:
        note(f"It may still exist at the provider; remove it by hand: {clean(line)}")
