"""A web application of somebody else's, as small as it can be: it lets its visitor connect an account of the broker.

Run as a program: `third_party.py BROKER CLIENT_ID SCOPE`, with the client's secret on standard input. It prints its port. It
knows the broker by its metadata alone, and shows in words what it could read and what it was refused.
"""

import base64
import hashlib
import secrets
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx


class ThirdParty:
    """The one visitor's connection."""

    def __init__(self, broker: str, client_id: str, secret: str, scope: str) -> None:
        self._http = httpx.Client(base_url=broker, trust_env=False, timeout=30)
        self._described = self._http.get("/.well-known/oauth-authorization-server").raise_for_status().json()
        self._client = (client_id, secret)
        self._scope = scope
        self._state = self._verifier = ""
        self._tokens: dict[str, Any] = {}
        self.redirect_uri = ""

    def connect(self) -> str:
        """Where the visitor is sent."""
        self._state, self._verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(48)
        digest = hashlib.sha256(self._verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self._client[0],
            "redirect_uri": self.redirect_uri,
            "scope": self._scope,
            "state": self._state,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        return f"{self._described['authorization_endpoint']}?{urlencode(asked)}"

    def come_back(self, answer: dict[str, str]) -> str:
        """What the visitor is told after coming back."""
        if (answer.get("state"), answer.get("iss")) != (self._state, self._described["issuer"]):
            return "This answer is not for me."
        if "error" in answer:
            return f"You said no: {answer['error']}."
        proof = {"redirect_uri": self.redirect_uri, "code_verifier": self._verifier}
        return self._ask_tokens({"grant_type": "authorization_code", "code": answer["code"], **proof})

    def refresh(self) -> str:
        old = self._tokens["access_token"]
        asked = {"grant_type": "refresh_token", "refresh_token": self._tokens["refresh_token"]}
        return f"{self._ask_tokens(asked)} The old token: {self._read('/account', old).status_code}."

    def look(self) -> str:
        """What can be read."""
        apps = self._read("/apps", self._tokens.get("access_token", "none"))
        if apps.status_code != httpx.codes.OK:
            return f"Nothing can be read: {apps.status_code}."
        names = [app["name"] for app in apps.json()]
        values = [self._read(f"/apps/{name}/config-vars", self._tokens["access_token"]).status_code for name in names]
        return f"Apps: {' '.join(names)}. Values of config vars: {values}."

    def _read(self, path: str, token: str) -> httpx.Response:
        return self._http.get(path, headers={"authorization": f"Bearer {token}"})

    def _ask_tokens(self, params: dict[str, str]) -> str:
        answer = self._http.post(self._described["token_endpoint"], data=params, auth=self._client)
        if answer.status_code != httpx.codes.OK:
            return f"Refused: {answer.json()['error']}."
        self._tokens = answer.json()
        return f"Connected: {self._tokens['scope']}."


def handler(party: ThirdParty) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/connect":
                self.send_response(302)
                self.send_header("Location", party.connect())
                self.end_headers()
                return
            pages = {"/look": party.look, "/refresh": party.refresh, "/": lambda: "Welcome."}
            if parts.path == "/callback":
                self._show(party.come_back(dict(parse_qsl(parts.query))))
            elif parts.path in pages:
                self._show(pages[parts.path]())
            else:
                self.send_error(404)

        def _show(self, text: str) -> None:
            links = "".join(f'<p><a href="/{name}">{name}</a></p>' for name in ("connect", "look", "refresh"))
            body = f"<!doctype html><title>Third party</title><link rel=icon href=data:,><main><p id=said>{text}</p>{links}</main>".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: addresses hold codes."""

    return Handler


if __name__ == "__main__":
    connection = ThirdParty(sys.argv[1], sys.argv[2], sys.stdin.readline().strip(), sys.argv[3])
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(connection))
    connection.redirect_uri = f"http://127.0.0.1:{server.server_port}/callback"
    print(server.server_port, flush=True)
    server.serve_forever()
