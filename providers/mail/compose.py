"""Building a message from what an HTTP client asked for. The email library encodes it; here it is made safe to encode."""

import base64
import binascii
import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,100}/[A-Za-z0-9!#$&^_.+-]{1,100}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\x85]")


def _one_line(value: str) -> str:
    """Header injection begins with a line break, so no control character gets into a header at all."""
    if _CONTROL.search(value):
        raise ValueError("must not contain line breaks or other control characters")
    return _encodable(value)


def _encodable(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("contains half of a surrogate pair") from None
    return value


def is_address(value: str) -> bool:
    return bool(_ADDRESS.fullmatch(value)) and ".." not in value and not value.startswith(".") and ".@" not in value


def _address(value: str) -> str:
    if not is_address(value):
        raise ValueError("is not an email address")
    return value


def _mime_type(value: str) -> str:
    if not _TYPE.fullmatch(value):
        raise ValueError("is not a content type")
    return value


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64") from None


OneLine = Annotated[str, Field(max_length=998), AfterValidator(_one_line)]
Words = Annotated[str, AfterValidator(_encodable)]
EmailAddress = Annotated[str, AfterValidator(_address)]


class Person(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: EmailAddress
    name: OneLine = ""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        """``"Ada <ada@example.com>"`` and ``"ada@example.com"`` mean the same as the object."""
        if not isinstance(value, str):
            return value
        if match := re.fullmatch(r"\s*(.*?)\s*<([^<>]*)>\s*", value):
            return {"email": match[2], "name": match[1].strip('"')}
        return {"email": value.strip()}

    def header(self) -> Address:
        return Address(self.name, addr_spec=self.email)


class File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    filename: OneLine = Field(min_length=1)
    content: Annotated[str, Field(description="base64")]
    type: Annotated[str, AfterValidator(_mime_type)] = "application/octet-stream"

    @model_validator(mode="after")
    def _is_base64(self) -> "File":
        _decoded(self.content)
        return self


class Letter(BaseModel):
    """A message as the HTTP API takes it. ``bcc`` reaches the envelope only."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    sender: Person = Field(alias="from")
    to: list[Person] = Field(min_length=1)
    cc: list[Person] = []
    bcc: list[Person] = []
    reply_to: Person | None = None
    subject: OneLine = ""
    text: Words | None = None
    html: Words | None = None
    attachments: list[File] = Field(default=[], max_length=50)

    @model_validator(mode="after")
    def _has_a_body(self) -> "Letter":
        if self.text is None and self.html is None:
            raise ValueError("text or html is needed")
        return self

    def recipients(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(person.email for person in (*self.to, *self.cc, *self.bcc)))

    def as_bytes(self) -> bytes:
        """The message in the form that goes over the wire, without trace headers."""
        message = EmailMessage(policy=SMTP)
        message["From"] = self.sender.header()
        message["To"] = [person.header() for person in self.to]
        if self.cc:
            message["Cc"] = [person.header() for person in self.cc]
        if self.reply_to:
            message["Reply-To"] = self.reply_to.header()
        message["Subject"] = self.subject
        self._fill(message)
        for file in self.attachments:
            maintype, subtype = file.type.lower().split("/")
            if maintype in ("message", "multipart"):  # structure, not content: such a file travels as plain bytes
                maintype, subtype = "application", "octet-stream"
            message.add_attachment(_decoded(file.content), maintype, subtype, filename=file.filename)
        return message.as_bytes()

    def _fill(self, message: EmailMessage) -> None:
        if self.text is not None:
            message.set_content(self.text)
        if self.html is not None:
            if self.text is None:
                message.set_content(self.html, subtype="html")
            else:
                message.add_alternative(self.html, subtype="html")
