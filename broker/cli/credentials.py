"""Where the login lives: BROKER_URL and BROKER_TOKEN first, else credentials.json in the user's config directory.

A token is kept with the URL it belongs to, so that it is never sent to another server.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from broker.cli.errors import CliError, NotLoggedIn

DEFAULT_URL = "http://127.0.0.1:5000"
"""Where `broker login` looks when nothing says otherwise: the default address of `broker up`."""


@dataclass(frozen=True)
class Login:
    """A server and the token for it. `authorization` is the id under which the server keeps the token."""

    url: str
    token: str
    email: str | None = None
    authorization: str | None = None
    from_env: bool = False

    def __repr__(self) -> str:
        return f"Login(url={self.url!r}, token=***)"


def credentials_file() -> Path:
    from platformdirs import user_config_path

    return user_config_path("addon-broker") / "credentials.json"


def stored_login() -> Login | None:
    """What `broker login` kept, or None.

    Raises: CliError when the file is there and cannot be read as credentials.
    """
    path = credentials_file()
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Login(data["url"], data["token"], data.get("email"), data.get("authorization"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as cause:
        raise CliError(
            f"{path} cannot be read ({type(cause).__name__}).", "Remove it and run `broker login`."
        ) from cause


def store_login(login: Login) -> Path:
    """Keep a login for later commands: file 0600 in a 0700 directory, replaced as a whole."""
    path = credentials_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.chmod(0o700)
    kept = {key: value for key, value in asdict(login).items() if key != "from_env"}
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".credentials-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(kept, file, indent=2)
            file.write("\n")
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def forget_login() -> None:
    credentials_file().unlink(missing_ok=True)


def known_url() -> str | None:
    """The server that a command without a login of its own would talk to."""
    from_env = os.environ.get("BROKER_URL")
    if from_env:
        return normal_url(from_env)
    stored = stored_login()
    return stored.url if stored else None


def current_login() -> Login:
    """The login that commands use.

    Raises: NotLoggedIn, with what to do about it.
    """
    url, token = os.environ.get("BROKER_URL"), os.environ.get("BROKER_TOKEN")
    if url and token:
        return Login(normal_url(url), sound_token(token), from_env=True)
    stored = stored_login()
    if token:
        return Login(stored.url if stored else DEFAULT_URL, sound_token(token), from_env=True)
    if url:
        wanted = normal_url(url)
        if stored and stored.url == wanted:
            return stored
        raise NotLoggedIn(
            f"There is no login for {wanted}.", f"Run `broker login --url {wanted}`, or set BROKER_TOKEN."
        )
    if stored:
        return stored
    raise NotLoggedIn(
        "You are not logged in.",
        "Run `broker login --url URL`; or start a broker of your own with `broker up`; or set BROKER_URL and BROKER_TOKEN.",
    )


def normal_url(url: str) -> str:
    """A base URL without trailing slash, checked to be http(s) with a host and no credentials in it."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url.strip())
        wrong = bool(parts.port and not 0 < parts.port < 65536) or any(char.isspace() for char in parts.netloc)
    except ValueError:
        parts, wrong = urlsplit(""), True
    if wrong or parts.scheme not in ("http", "https") or not parts.hostname:
        raise CliError(
            f"{url!r} is no URL of a broker.", "It looks like http://127.0.0.1:5000 or https://broker.example.com."
        )
    if parts.username or parts.password:
        raise CliError(
            "The URL of the broker must not carry a user or password.", "Use `broker login`, or BROKER_TOKEN."
        )
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def sound_token(token: str) -> str:
    """A token that can stand in a header, without blanks around it.

    Raises: CliError, which does not repeat it.
    """
    bare = token.strip()
    if not bare or any(not "!" <= char <= "~" for char in bare):
        raise CliError("BROKER_TOKEN holds no token: it has characters that none has.", "Copy it again.")
    return bare


def is_loopback(url: str) -> bool:
    from urllib.parse import urlsplit

    return (urlsplit(url).hostname or "") in ("127.0.0.1", "localhost", "::1")
