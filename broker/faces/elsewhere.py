"""What Heroku's clients ask for that a marketplace of add-ons has not: the sentence that says so, and where it is instead."""

from __future__ import annotations

import re
from typing import Final

_APP: Final = r"/(?:teams/)?apps/[^/]+"
_INSIDE: Final = (
    "The broker does nothing inside of a database (backups, followers, upgrades, settings, connections): its provider does."
    " See what it offers with `heroku addons:open`, or connect to the address in the app's config vars."
)
_SENTENCES: Final = {
    rf"{_APP}/(?:dynos|formation|ps|process-tier|release-dynos)": (
        "Apps are not run here, so there are no dynos: start, scale and stop the app where you deploy it."
    ),
    rf"{_APP}/(?:builds?|build-metadata|slugs|oci-images|buildpack-installations)|/sources|{_APP}/sources": (
        "Apps are not built here: build and deploy the app elsewhere, with the config vars of `heroku config -s`."
    ),
    rf"{_APP}/(?:log-sessions|log-drains|logs|telemetry-drains)": (
        "Apps are not run here, so there are no logs of theirs: read and drain them where you deploy the app."
    ),
    rf"{_APP}/(?:domains|sni-endpoints|ssl-endpoints|acm|ssl)|/sni-endpoints": (
        "Apps are not run here, so they have no domains and no certificates: set them up where you deploy the app."
    ),
    r"/account/keys": "SSH keys are for pushing code, and none is pushed to the broker: no key is needed.",
    r"/(?:teams/[^/]+/)?spaces": "There are no private spaces here: leave `--space` out.",
    rf"/(?:pipelines?|pipeline-[a-z]+|review-apps|test-runs|filters)|{_APP}/(?:pipeline-[a-z]+|review-app|test-runs)": (
        "There are no pipelines here: make an app for each stage, and add or attach its add-ons."
    ),
    r"/enterprise-accounts?": "There are no enterprise accounts here: `heroku teams` lists the teams that you are in.",
    r"/(?:client/v1\d|postgres/v\d|redis/v\d|data|reports)": _INSIDE,
}
_KNOWN: Final = tuple((re.compile(rf"(?:{path})(?:/.*)?"), sentence) for path, sentence in _SENTENCES.items())
_LONGEST: Final = 1000


def not_here(path: str) -> str | None:
    """The sentence for a path that no endpoint answers, if it is one of Heroku's."""
    if len(path) > _LONGEST:
        return None
    return next((sentence for known, sentence in _KNOWN if known.fullmatch(path)), None)
