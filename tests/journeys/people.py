"""A person who makes an account with the pages, and reads the mail that this machine keeps."""

import base64
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import policy
from email.parser import BytesParser
from pathlib import Path

import httpx

from broker.accounts.totp import code_at, step_of
from tests.oauth.conftest import fields_of
from tests.platform import Platform

_MAIL_WITHIN_S = 20


@dataclass
class Person:
    """Somebody with an address, a password and perhaps an authenticator app."""

    platform: Platform
    email: str = field(default_factory=lambda: f"person-{secrets.token_hex(4)}@example.com")
    password: str = "several words make a good one"
    secret: bytes = b""
    recovery_codes: list[str] = field(default_factory=list)

    def code(self, steps: int = 0) -> str:
        """What the app shows, or will show."""
        return code_at(self.secret, step_of(datetime.now(UTC)) + steps)

    def link(self, words: str) -> str:
        """The address in the newest mail whose subject has these words."""
        deadline = time.monotonic() + _MAIL_WITHIN_S
        while time.monotonic() < deadline:
            for file in sorted((self.platform.home / "mails").glob("[!.]*.eml"), reverse=True):
                if found := self._link_in(file, words):
                    return found
            time.sleep(0.1)
        raise AssertionError(f"no mail about “{words}” came")

    def _link_in(self, file: Path, words: str) -> str | None:
        with file.open("rb") as source:
            mail = BytesParser(policy=policy.default).parse(source)
        body = mail.get_body(("plain",))
        if mail["To"] != self.email or words not in mail["Subject"] or body is None:
            return None
        found = re.search(r"http\S+token=\S+", body.get_content())
        return found[0] if found else None

    def typed(self, text: str) -> None:
        """Type the secret that a page shows into the app."""
        joined = "".join(text.split())
        self.secret = base64.b32decode(joined + "=" * (-len(joined) % 8))


@contextmanager
def signed_up(platform: Platform) -> Iterator[tuple[Person, httpx.Client]]:
    """A person with an account and an authenticator app that is on, and the browser that did it."""
    with httpx.Client(base_url=platform.url, trust_env=False, timeout=120) as http:
        yield _signed_up(Person(platform), http), http


def _signed_up(person: Person, http: httpx.Client) -> Person:
    send(http, "/signup", email=person.email)
    link = person.link("Confirm").removeprefix(person.platform.url)
    assert send(http, link, "/confirm", password=person.password).status_code == 303
    page = http.get("/account/two-factor").text
    shown = re.search(r'<code class="mono">([A-Z2-7 ]+)</code>', page)
    assert shown is not None
    person.typed(shown[1])
    done = send(http, "/account/two-factor", "/account/two-factor/app", code=person.code())
    person.recovery_codes = re.findall(r"\b[a-z2-7]{4}(?:-[a-z2-7]{4}){3}\b", done.text)
    return person


def send(http: httpx.Client, page: str, action: str = "", **fields: str) -> httpx.Response:
    """Open a page, and send the form on it that goes to `action`."""
    shown = http.get(page).text
    action = action or page
    form = shown[shown.index(f'action="{action}"') :]
    return http.post(action, data={**fields_of(form[: form.index("</form>")]), **fields})
