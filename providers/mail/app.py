"""Puts the mail provider together: from settings to the application. No logic."""

from collections.abc import Callable
from datetime import datetime, timedelta

from fastapi import FastAPI

from providers.kit.app import create_provider_app, utc_now
from providers.kit.manifest import load_all
from providers.kit.secrets import ProviderKey, home_directory
from providers.kit.store import ResourceStore
from providers.mail import tls
from providers.mail.archive import Archive
from providers.mail.credentials import Credentials
from providers.mail.database import Database
from providers.mail.http_api import HttpApi
from providers.mail.messages import Intake
from providers.mail.outbox import Outbox
from providers.mail.relay import Relay
from providers.mail.retention import Retention
from providers.mail.service import MailService
from providers.mail.settings import MailSettings
from providers.mail.submission import SubmissionServer
from providers.mail.usage import Reporter
from providers.mail.viewer import Viewer


def create_app(settings: MailSettings, now: Callable[[], datetime] = utc_now) -> FastAPI:
    """The application; its lifespan runs the SMTP server, the relay and the retention too."""
    home = home_directory(settings.home)
    key = ProviderKey.load(home / "provider.key")
    store = ResourceStore(home / "resources.db")
    database = Database(home / "mail.db")
    credentials = Credentials(database, settings.username_domain)
    archive = Archive(database, now)
    upstream = settings.upstream_url
    outbox = Outbox(database, now, timedelta(seconds=settings.upstream_retry_s))
    relay = Relay(outbox, upstream, settings.upstream_ca, settings.client_host, now) if upstream else None
    intake = Intake(database, now, relaying=relay is not None)
    server = _submission_server(settings, credentials, intake, now)
    manifests = load_all(settings.manifests)
    reporter = Reporter(database, store, manifests, settings.broker_url, now) if settings.broker_url else None
    service = MailService(
        database,
        credentials,
        archive,
        server,
        Retention(database, now),
        relay,
        reporter,
        key,
        store,
        listen=settings.host,
        port=settings.smtp_port,
        port_file=home / "smtp-port",
        client_host=settings.client_host,
    )
    api = HttpApi(
        credentials,
        intake,
        now,
        host=settings.client_host,
        message_limit=settings.message_limit,
        recipients_limit=settings.recipients_limit,
        accepted=relay.wake if relay else lambda: None,
    )
    # A letter of the HTTP API is bigger on its way than as a message: base64 inside of JSON.
    body_limit = settings.message_limit * 3 // 2 + 64 * 1024
    app = create_provider_app(
        service,
        manifests,
        store=store,
        key=key,
        title="Mail",
        clock=now,
        body_limits={"/v1/messages": body_limit, "/v3/mail/send": body_limit},
    )
    app.include_router(api.router)
    viewer = Viewer(
        service, store, archive, credentials, api, host=settings.client_host, tls_required=not settings.loopback_only
    )
    app.include_router(viewer.router)
    return app


def _submission_server(
    settings: MailSettings, credentials: Credentials, intake: Intake, now: Callable[[], datetime]
) -> SubmissionServer:
    if settings.tls_cert and settings.tls_key:
        certificate, key = settings.tls_cert, settings.tls_key
    else:
        certificate, key = tls.ensure_self_signed(settings.home, settings.client_host, now())
    return SubmissionServer(
        credentials,
        intake,
        now,
        host=settings.client_host,
        tls=tls.server_context(certificate, key),
        tls_required=not settings.loopback_only,
        message_limit=settings.message_limit,
        recipients_limit=settings.recipients_limit,
        connections_limit=settings.connections_limit,
    )
