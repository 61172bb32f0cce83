"""What a manifest says about signing users on, besides the salt and the address: in which way, and where links may lead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from broker.catalog.reading import Node, TextRule, url_complaint
from broker.catalog.sso_paths import LONGEST, path_complaint

_MOST: Final = 20
_WORD: Final = TextRule(20)
_PATH: Final = TextRule(LONGEST, re.compile(r"/[^?]*"), "a path that begins with / and has no ?")
_URL: Final = TextRule(2000, re.compile(r"\S+"), "a URL without blanks")


class SignOnMode(StrEnum):
    """How the provider learns who the user is."""

    FORM = "form"
    """The signed form of the protocol."""
    OIDC = "oidc"
    """OpenID Connect, begun by the broker; the provider is the client."""


@dataclass(frozen=True, slots=True)
class SignOnRules:
    """How users are signed on at a service. `paths`: where links may lead in the dashboard, each with all below it."""

    mode: SignOnMode = SignOnMode.FORM
    paths: tuple[str, ...] = ()
    redirect_uris: tuple[str, ...] = ()


def read_sign_on(api: Node, *, has_address: bool, insecure: bool) -> SignOnRules:
    """The rules in `api`. `has_address`: whether there is an `sso_url` of its own, which OpenID Connect begins at."""
    mode = _mode(api)
    paths = api.texts("sso_paths", _PATH, _MOST)
    for place, path in enumerate(paths):
        if complaint := path_complaint(path):
            api.fault_at("sso_paths", place, complaint)
    uris = api.texts("sso_redirect_uris", _URL, _MOST)
    for place, uri in enumerate(uris):
        if complaint := url_complaint(uri, insecure=insecure):
            api.fault_at("sso_redirect_uris", place, complaint)
    if mode is SignOnMode.OIDC and not uris:
        api.fault("sso_redirect_uris", "is missing: list the addresses to which users come back with a code.")
    if mode is SignOnMode.OIDC and not has_address:
        api.fault("sso", 'needs an `sso_url` beside `base_url` when it is "oidc": sign-on begins there.')
    return SignOnRules(mode, paths, uris)


def _mode(api: Node) -> SignOnMode:
    word = api.text("sso", _WORD) or SignOnMode.FORM
    if word not in tuple(SignOnMode):
        api.fault("sso", f'does not know "{word}": possible are {", ".join(SignOnMode)}.')
        return SignOnMode.FORM
    return SignOnMode(word)
