"""From a kind of notice and its facts to a mail: one template per kind, rendered twice, as text and as HTML.

A template is made of the parts of `parts.txt` and `parts.html`: paragraphs, quotations, one link. It sets `subject` first. To
add a kind, add `templates/KIND.mail`.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, TemplateNotFound, UndefinedError

from broker.kernel.money import Money
from broker.notices.letters import Letter, UnknownKind

_WIDTH: Final = 76
_LONGEST_SUBJECT: Final = 150
_UNFIT: Final = (UndefinedError, TypeError, ValueError, LookupError)
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


class Letters:
    """The mails of an installation: links in them lead to its address."""

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url

    def letter(self, kind: str, facts: Mapping[str, Any]) -> Letter:
        """The mail of this kind.

        Raises: UnknownKind, also when a fact is missing that its template speaks of.
        """
        values = self._values(facts)
        try:
            return Letter(
                subject=_subject(_template("txt", kind), values),
                text=_tidied(_template("txt", kind).render(values)),
                html=_template("html", kind).render(values),
            )
        except TemplateNotFound:
            raise UnknownKind(kind) from None
        except _UNFIT as error:  # facts of another shape than the template expects
            raise UnknownKind(f"{kind}: {type(error).__name__}") from error

    def subject(self, kind: str, facts: Mapping[str, Any]) -> str:
        """What a list says of it; needs no secret. A kind without words is called by its name."""
        try:
            return _subject(_template("txt", kind), self._values(facts))
        except (TemplateNotFound, *_UNFIT):
            return kind

    def _values(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """What templates speak of: the facts; where the pages of the account are, and whose it is if it is a team's."""
        team_id = facts.get("for_team_id")
        account = f"{self._public_url}/account" if team_id is None else f"{self._public_url}/teams/{team_id}"
        return {"for_team": None, **_in_line(facts), "public_url": self._public_url, "account": account}


def _subject(template: Template, values: Mapping[str, Any]) -> str:
    """In one line, whatever names are in it: a subject is a header."""
    block = template.blocks["subject"]
    line: str = _in_line("".join(block(template.new_context(dict(values)))))
    return line[:_LONGEST_SUBJECT]


def _tidied(text: str) -> str:
    """Paragraphs of lines that fit, one blank line between them; what is indented stays as it is."""
    paragraphs = [part.strip("\n") for part in re.split(r"\n\s*\n", text)]
    filled = [part if part.startswith("    ") else _filled(part) for part in paragraphs if part.strip()]
    return "\n\n".join(filled) + "\n"


def _filled(paragraph: str) -> str:
    return textwrap.fill(paragraph, _WIDTH, break_long_words=False, break_on_hyphens=False)


@cache
def _environment(form: str) -> Environment:
    made = Environment(
        loader=PackageLoader("broker.faces.mails", "templates"),
        autoescape=form == "html",  # noqa: S701 - a text part is no HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(frame=f"frame.{form}", parts=f"parts.{form}")
    made.filters.update(day=_day, moment=_moment, money=_money)
    return made


def _template(form: str, kind: str) -> Template:
    return _environment(form).get_template(f"{kind}.mail")


def _day(instant: str) -> str:
    """`21 November 2026`, of a time as JSON has it."""
    at = _parsed(instant)
    return f"{at.day} {at:%B %Y}"


def _moment(instant: str) -> str:
    """`21 November 2026, 09:54 UTC`."""
    return f"{_day(instant)}, {_parsed(instant):%H:%M} UTC"


def _parsed(instant: str) -> datetime:
    return datetime.fromisoformat(instant).astimezone(UTC)


def _money(minor: int, currency: str = "usd") -> str:
    """`12.34 USD`."""
    return str(Money(minor, currency))


def _in_line(value: Any) -> Any:
    """The same without line breaks in its texts: somebody's own words end where they seem to."""
    if isinstance(value, str):
        return " ".join(_CONTROLS.sub(" ", value).split())
    if isinstance(value, Mapping):
        return {name: _in_line(item) for name, item in value.items()}
    return [_in_line(item) for item in value] if isinstance(value, list) else value
