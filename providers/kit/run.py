"""Runs a provider as a program: logging, the HTTP server, a graceful stop on SIGINT and SIGTERM."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from providers.kit.settings import ProviderSettings

REQUESTS_END_WITHIN_S = 2  # which leaves the engine most of the ten seconds that a supervisor waits


class _Server(uvicorn.Server):
    """Uvicorn's own would, after its orderly stop, kill itself with the signal that asked for it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.handle_exit)
        yield


def configure_logging() -> None:
    """Log to standard error. Query strings, bodies and credentials are never logged."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)


def serve(app: FastAPI, settings: ProviderSettings) -> None:
    """Serve until asked to stop."""
    configure_logging()
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=REQUESTS_END_WITHIN_S,
    )
    with contextlib.closing(_listener(settings)) as listener:
        host, port = listener.getsockname()[:2]
        logging.getLogger("provider").info("listening on http://%s:%d", host, port)
        _Server(config).run([listener])


def _listener(settings: ProviderSettings) -> socket.socket:
    """Bound before the engine starts, so that an address in use is a plain error and a port of 0 is known."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise SystemExit(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}.") from None
    return listener
