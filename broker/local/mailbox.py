"""The folder into which the broker puts its mail when there is no mail server: what came since is shown in the console."""

from dataclasses import dataclass
from email import policy
from email.parser import BytesParser
from pathlib import Path


@dataclass(frozen=True)
class Mail:
    """A mail as a person reads it."""

    to: str
    subject: str
    text: str
    file: Path


class Mailbox:
    """Tells of each mail once. What was there at the start is old."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = set(self._files())

    def fresh(self) -> list[Mail]:
        """What came since the last look, oldest first: the names of the files are ids, which sort by age."""
        new = sorted(set(self._files()) - self._known)
        self._known.update(new)
        return [_read(file) for file in new]

    def _files(self) -> list[Path]:
        return list(self._folder.glob("[!.]*.eml"))


def _read(file: Path) -> Mail:
    with file.open("rb") as source:
        message = BytesParser(policy=policy.default).parse(source)
    body = message.get_body(("plain",))
    return Mail(str(message["To"]), str(message["Subject"]), "" if body is None else body.get_content(), file)
