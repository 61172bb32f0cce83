"""up, serve, worker, migrate, settings, secrets:rotate: thin doors to the programs, which are imported when one runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from broker.cli.options import host_and_port, json_option


@contextmanager
def _undisturbed() -> Iterator[None]:
    """For imports: what they make stays, and looking through it for garbage again and again takes a fifth of their time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@click.command()
@click.option(
    "--home", type=click.Path(file_okay=False, path_type=Path), help="Where everything is kept. [default: per user]"
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port of the broker; 0 is a free one. [default: that of last time, else 5000]",
)
@click.option(
    "--ready-file", type=click.Path(dir_okay=False, path_type=Path), help="Write JSON here once everything answers."
)
def up(home: Path | None, port: int | None, ready_file: Path | None) -> int:
    """Run everything on this machine: database, broker, providers, demo account."""
    from broker.local.up import run

    return run(home, port, ready_file)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=5000, show_default=True, help="Port to listen on.")
@click.option("--with-worker/--without-worker", default=False, help="Also run operations in this process.")
@click.option(
    "--with-canary/--without-canary", default=False, help="Also try providers on this machine that want to be measured."
)
def serve(host: str, port: int, with_worker: bool, with_canary: bool) -> None:
    """Serve the APIs and pages, on the database of DATABASE_URL."""
    with _undisturbed():
        from broker.server import serve as run

    run(host, port, with_worker, with_canary)


@click.command()
def worker() -> None:
    """Run operations: call providers and settle what they answer."""
    with _undisturbed():
        from broker.server import work as run

    run()


@click.command()
@click.option(
    "--listen", default="127.0.0.1:0", show_default=True, metavar="HOST:PORT",
    help="Where providers that finish later call back; port 0 is a free one.",
)  # fmt: skip
@click.option("--origin", metavar="URL", help="Where providers reach that address, if it is another one for them.")
@click.option(
    "--timeout", type=click.FloatRange(0.1), default=60.0, show_default=True, metavar="S",
    help="Seconds to wait for an answer, and for the end of what was accepted with 202.",
)  # fmt: skip
@click.option("--once", is_flag=True, help="Make the runs that are due, and end.")
def canary(listen: str, origin: str | None, timeout: float, once: bool) -> None:
    """Try the providers that want to be measured, again and again, on the database of DATABASE_URL.

    Which those are, and how often: `broker provider:canary`. Runs best where apps run, and one at a time per address.
    """
    with _undisturbed():
        from broker.server import try_providers as run

    run(host_and_port(listen), origin, timeout, once)


@click.command()
def migrate() -> None:
    """Bring the database to the version of this program."""
    with _undisturbed():
        from broker.server import migrate as run

    run()


@click.command()
@json_option
def settings(as_json: bool) -> int:
    """Show every setting and its value; secrets are masked."""
    with _undisturbed():
        from broker.server import print_settings as run

    return run(as_json)


@click.command("secrets:rotate")
@json_option
def rotate(as_json: bool) -> int:
    """Wrap the data keys under a new key-encryption key, while the broker runs."""
    with _undisturbed():
        from broker.server import rotate_secrets as run

    return run(as_json)
