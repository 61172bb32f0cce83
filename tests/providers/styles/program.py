"""What the programs here have in common: a socket, Basic authentication, JSON, and calls back. Knows no broker.

Each program is started with what its author would have configured: SLUG, PASSWORD, SALT, CLIENT_SECRET, TOKEN_URL, PORT.
"""

import base64
import hashlib
import hmac
import json
import os
import threading
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

JSON = "application/json"
_WITHIN_S = 10


@dataclass
class Reply:
    """What is answered. No status means that the connection is dropped without a word."""

    status: int | None = 200
    body: Any = ""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


class Provider:
    """A provider; each style overrides what it does differently. `notes` is its memory, which tests read at /_notes."""

    def __init__(self) -> None:
        self.slug = os.environ["SLUG"]
        self.password = os.environ["PASSWORD"]
        self.salt = os.environ["SALT"]
        self.client_secret = os.environ["CLIENT_SECRET"]
        self.token_url = os.environ["TOKEN_URL"]
        self.notes: list[dict[str, Any]] = []
        self.rows: dict[str, dict[str, Any]] = {}

    def provision(self, body: dict[str, Any]) -> Reply:
        raise NotImplementedError

    def change_plan(self, resource_id: str, body: dict[str, Any]) -> Reply:
        return Reply(200, {"message": f"now {body['plan']}"})

    def deprovision(self, resource_id: str) -> Reply:
        self.rows.pop(resource_id, None)
        return Reply(204)

    def sign_on(self, resource_id: str, query: dict[str, str]) -> Reply:
        return Reply(404)

    def var(self, suffix: str) -> str:
        """The name of a config var, as the manifest has it."""
        return f"{self.slug.upper()}_{suffix}"

    def note(self, what: str, **more: Any) -> None:
        self.notes.append({"what": what, **more})

    def in_background(self, work: Any, *arguments: Any) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def sso_token(self, resource_id: str, timestamp: str) -> str:
        return hashlib.sha1(f"{resource_id}:{self.salt}:{timestamp}".encode()).hexdigest()

    def call(self, method: str, url: str, token: str | None = None, **parts: Any) -> Any:
        """Call the marketplace: `json`, `form` or nothing as the body; the answer's JSON, or its status if refused."""
        headers, content = dict(parts.get("headers", {})), b""
        if "json" in parts:
            headers["Content-Type"], content = JSON, json.dumps(parts["json"]).encode()
        elif "form" in parts:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            content = urllib.parse.urlencode(parts["form"]).encode()
        if token is not None:
            headers |= {"Authorization": f"Bearer {token}", "Accept": "application/vnd.heroku+json; version=3"}
        request = urllib.request.Request(url, content, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=_WITHIN_S) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as refusal:
            self.note("refused", method=method, path=urllib.parse.urlsplit(url).path, status=refusal.code)
            return refusal.code


def run(provider: Provider) -> None:
    """Answer until ended."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            parts = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(parts.query))
            reply = _reply(provider, self.command, parts.path, query, raw, self.headers.get("authorization", ""))
            if reply.status is None:
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(reply.status)
            content = reply.content()
            for name, value in {"Content-Type": reply.content_type, **reply.headers}.items():
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content if reply.status != 204 else b"")

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the names are those of http.server

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
    server.daemon_threads = True
    server.serve_forever()


def _reply(provider: Provider, method: str, path: str, query: dict[str, str], raw: bytes, authorization: str) -> Reply:
    if path == "/_notes":
        return Reply(200, provider.notes)
    _, _, resource_id = path.partition("/heroku/resources")
    resource_id = urllib.parse.unquote(resource_id.strip("/"))
    if method == "GET":
        return provider.sign_on(resource_id, query)
    expected = "Basic " + base64.b64encode(f"{provider.slug}:{provider.password}".encode()).decode()
    if not hmac.compare_digest(authorization, expected):
        return Reply(401, {"message": "who are you?"})
    body = json.loads(raw) if raw else {}
    provider.note(method, id=resource_id, body=body)
    if method == "POST":
        return provider.provision(body)
    return provider.change_plan(resource_id, body) if method == "PUT" else provider.deprovision(resource_id)
