"""Every setting of the broker, read once from the environment. Only `wiring.py`, `server.py` and `backup/command.py` look."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.policy import SMTP
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from broker.kernel.vault import KEY_BYTES

_FOR_OTHERS: Final = {"BROKER_URL", "BROKER_TOKEN", "BROKER_APP", "BROKER_HOME"}
"""Variables of the command line, which are not settings of the server."""


class SettingsError(Exception):
    """The settings do not allow a start; the message lists every fault and what to do."""


class Settings(BaseSettings):
    """The settings, each with its unit in its name. Environment: `BROKER_` + the name in capitals, and `DATABASE_URL`."""

    model_config = SettingsConfigDict(env_prefix="BROKER_", frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: SecretStr = Field(
        validation_alias="DATABASE_URL", description="PostgreSQL, as `postgresql://user:password@host:port/database`."
    )
    public_url: str = Field(
        default="http://127.0.0.1:5000", description="Origin under which clients and providers reach the broker."
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="Key-encryption keys: url-safe base64 of 32 bytes each, comma separated, the first is primary.",
    )
    secret_key_file: Path | None = Field(
        default=None, description="File (0600) with one such key per line, read again when a key is unknown."
    )
    seed_file: Path | None = Field(
        default=None, description="JSON with a first account, its token and manifests to load at start."
    )
    outbound_allow: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        default=(), description="Non-public networks that providers may live in, comma separated; empty in production."
    )
    operation_wait_s: float = Field(
        default=25.0, ge=0, le=28, description="How long an answer waits for the operation that it has started."
    )
    partner_timeout_s: float = Field(
        default=25.0, gt=0, le=28, description="Bound on one call to a provider; the contract asks for 25."
    )
    partner_response_limit_bytes: int = Field(
        default=1_048_576, gt=0, description="Largest answer that is read from a provider."
    )
    request_limit_bytes: int = Field(default=1_048_576, gt=0, description="Largest request body that is read.")
    rate_limit_per_hour: int = Field(
        default=4500, ge=0, description="Requests that one token may make in an hour, per process; 0 is without limit."
    )
    client_timeout_s: float = Field(
        default=15.0, gt=0, description="How long a client may take to send a request's head, and then its body."
    )
    max_requests: int = Field(
        default=200,
        ge=1,
        description="Requests that one process works on at once; more are answered 503. Waiting ones: ten times as many.",
    )
    max_unfinished: int = Field(
        default=10_000, ge=1, description="Unfinished operations, from which on new add-ons are answered 503."
    )
    pool_size: int = Field(default=10, ge=2, le=200, description="Database connections of one process.")
    pool_timeout_s: float = Field(default=5.0, gt=0, description="Wait for a free connection before answering 503.")
    database_wait_s: float = Field(
        default=30.0, ge=0, description="How long a start waits for a database that is not there yet."
    )
    worker_concurrency: int = Field(
        default=100, ge=1, le=1000, description="Operations that one worker advances at once."
    )
    provider_concurrency: int = Field(
        default=10, ge=1, le=1000, description="Calls that may be under way at one service, all workers together."
    )
    provider_rate_per_s: float = Field(
        default=100.0, gt=0, description="Calls per second to one service, in the long run."
    )
    provider_burst: int = Field(default=200, ge=1, description="Calls to one service that may start at once.")
    circuit_faults: int = Field(default=5, ge=1, description="Faults in a row after which a service is left alone.")
    circuit_pause_s: float = Field(default=10.0, gt=0, description="First pause of such a service; doubled each time.")
    circuit_longest_pause_s: float = Field(default=300.0, gt=0, description="Longest such pause.")
    rotation_overlap_s: int = Field(
        default=7200,
        ge=0,
        le=604_800,
        description="How long old credentials work at most after a rotation, while apps take the new ones.",
    )
    webhook_timeout_s: float = Field(
        default=10.0, gt=0, le=30, description="Bound on one attempt to tell a webhook an event."
    )
    webhook_concurrency: int = Field(
        default=20, ge=1, le=1000, description="Webhooks that one worker tells something at once."
    )
    webhook_retention_s: int = Field(
        default=30 * 86400, ge=3600, description="How long finished deliveries and their events can be read."
    )
    sso_link_ttl_s: int = Field(
        default=300, ge=30, le=3600, description="Life of the signed link behind `addons:open`."
    )
    payout_hold_s: int = Field(
        default=14 * 86400, ge=0, description="How long a partner's share waits after it was collected."
    )
    payout_reserve_bp: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="Part of later shares that is kept back for 90 days, in hundredths of a percent.",
    )
    payout_minimum_minor: int = Field(
        default=2500, ge=1, description="Least payout, in the smallest unit of its currency; less stays in the balance."
    )
    payment_gateway: Literal["none", "local", "stripe"] = Field(
        default="none",
        description="What invoices are paid through; with `none`, paid plans need no payment method.",
    )
    payment_gateway_url: str | None = Field(
        default=None, description="Origin of the gateway's API, if it is not Stripe's own: that of the local gateway."
    )
    stripe_key: SecretStr | None = Field(default=None, description="Secret key of the gateway's API.")
    stripe_webhook_secrets: SecretStr | None = Field(
        default=None,
        description="Secrets that the gateway signs its webhooks with, comma separated: two while one is replaced.",
    )
    payment_timeout_s: float = Field(default=30.0, gt=0, le=80, description="Bound on one call to the payment gateway.")
    dunning_days: Annotated[tuple[int, ...], NoDecode] = Field(
        default=(0, 3, 5, 7, 14, 30),
        description="Days from the issue of an invoice that is not paid, comma separated: each on which payment is tried, then"
        " the one on which paid add-ons are suspended, then the one on which they are deleted.",
    )
    kit_keys: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Ed25519 public keys (base64, comma separated) whose statements of the provider test kit give a badge.",
    )
    smtp_url: SecretStr | None = Field(
        default=None,
        description="Where mail is handed in: `smtp://user:password@host:587` (STARTTLS) or `smtps://...:465`. Without it, none is sent.",
    )
    mail_folder: Path | None = Field(
        default=None, description="Without an SMTP server: folder that mails are put into, as `broker up` shows them."
    )
    mail_from: str = Field(
        default="Addon Broker <broker@localhost>", description="Sender of mails, as `Name <address>`."
    )
    contact: str = Field(
        default="",
        max_length=200,
        pattern=r"^[ -~]*$",
        description="Where the operators are reached, such as an e-mail address: whoever is locked out is told.",
    )
    sign_up: Literal["open", "teams", "invite", "closed"] = Field(
        default="invite",
        description="Who may make an account: everybody, who is invited by a team or an operator, by an operator, or nobody.",
    )
    test_clock: bool = Field(
        default=False,
        description="Whether operators may set the broker's clock forward. Only where things are tried out: it never goes back.",
    )
    token_ttl_s: int = Field(default=365 * 86400, gt=0, description="Longest life of an API token that asks for none.")
    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="Least level that is logged."
    )

    @field_validator("outbound_allow", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
        except ValueError:
            raise ValueError("must be networks such as 127.0.0.0/8,::1/128, without bits beyond the mask") from None

    @field_validator("kit_keys", mode="before")
    @classmethod
    def _public_keys(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        keys = tuple(part.strip() for part in value.split(",") if part.strip())
        if not all(_is_public_key(key) for key in keys):
            raise ValueError("must be the base64 of 32 bytes each, as `broker provider:certify` prints them")
        return keys

    @field_validator("smtp_url")
    @classmethod
    def _smtp(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = urlsplit(value.get_secret_value())
            if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path not in ("", "/"):
                raise ValueError("must be smtp://user:password@host:587 or smtps://user:password@host:465")
        return value

    @field_validator("mail_from")
    @classmethod
    def _one_sender(cls, value: str) -> str:
        header = SMTP.header_factory("From", value) if value.isprintable() else None
        if header is None or header.defects or len(header.addresses) != 1 or not header.addresses[0].domain:
            raise ValueError("must be one address, such as Addon Broker <broker@example.com>")
        return value

    @model_validator(mode="after")
    def _whole_gateway(self) -> Self:
        if self.payment_gateway == "none":
            return self
        needed: dict[str, object] = {
            "BROKER_STRIPE_KEY": self.stripe_key,
            "BROKER_STRIPE_WEBHOOK_SECRETS": self.stripe_webhook_secrets,
        }
        if self.payment_gateway == "local":
            needed["BROKER_PAYMENT_GATEWAY_URL"] = self.payment_gateway_url
        missing = [name for name, value in needed.items() if value is None]
        if missing:
            raise ValueError(f"BROKER_PAYMENT_GATEWAY={self.payment_gateway} needs {', '.join(missing)} too")
        return self

    @field_validator("dunning_days", mode="before")
    @classmethod
    def _days(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("dunning_days")
    @classmethod
    def _days_to_react(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(value) < 3 or value[0] < 0 or any(later <= before for before, later in pairwise(value)):
            raise ValueError("must be days that follow one another, such as 0,3,5,7,14,30")
        if value[-1] < value[-2] + 14:
            raise ValueError("must leave 14 days at least between suspending and deleting, for three notices")
        return value

    @field_validator("payment_gateway_url")
    @classmethod
    def _gateway_origin(cls, value: str | None) -> str | None:
        return None if value is None else cls._origin(value)

    @field_validator("public_url")
    @classmethod
    def _origin(cls, value: str) -> str:
        parts = urlsplit(value.rstrip("/"))
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.geturl().isprintable()
        if not whole or parts.path or parts.query or parts.fragment or "@" in parts.netloc or " " in value:
            raise ValueError("must be an origin such as https://broker.example.com, without a path")
        return parts.geturl()

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(("postgres://", "postgresql://")):
            raise ValueError("must begin with postgresql://; no other database is supported")
        return value

    @field_validator("secret_key")
    @classmethod
    def _good_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _decoded_all(value.get_secret_value().split(","))
        return value

    @field_validator("secret_key_file")
    @classmethod
    def _good_key_file(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if "secret_key" in info.data and (info.data["secret_key"] is None) == (value is None):
            raise ValueError(
                "give exactly one of BROKER_SECRET_KEY and BROKER_SECRET_KEY_FILE; make a key with"
                ' python -c "import os,base64; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"'
            )
        if value is not None:
            _keys_in(value)
        return value

    def key_encryption_keys(self) -> Sequence[bytes]:
        """The key-encryption keys as given now: a file is read again at each call."""
        if self.secret_key_file is not None:
            return _keys_in(self.secret_key_file)
        assert self.secret_key is not None
        return _decoded_all(self.secret_key.get_secret_value().split(","))


def _is_public_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == KEY_BYTES
    except ValueError:
        return False


def _keys_in(path: Path) -> list[bytes]:
    try:
        return _decoded_all(path.read_bytes().decode("ascii", "replace").split())
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror}") from None


def _decoded_all(texts: Sequence[str]) -> list[bytes]:
    keys = [_decoded(text.strip()) for text in texts if text.strip()]
    if not keys:
        raise ValueError("there is no key in it")
    return keys


def _decoded(text: str) -> bytes:
    try:
        key = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError("a secret key must be the url-safe base64 of exactly 32 bytes")
    if len(set(key)) < 8:
        raise ValueError("a secret key is too regular to be random; generate it")
    return key


@dataclass(frozen=True, slots=True)
class SettingView:
    """A setting as it may be shown to operators: of a secret, whether there is one."""

    variable: str
    value: str
    default: str
    source: Literal["default", "environment", "file"]
    unit: str
    description: str
    is_secret: bool


_UNITS: Final = {"_per_hour": "per hour", "_per_s": "per second", "_bytes": "bytes", "_days": "days", "_s": "seconds",
                 "_bp": "1/100 %", "_minor": "minor units"}  # fmt: skip
"""By the end of a name."""


def described(settings: Settings) -> tuple[SettingView, ...]:
    """Every setting as this process works with it, and where it has it from; no secret."""
    return tuple(_described(settings, name) for name in Settings.model_fields)


def _described(settings: Settings, name: str) -> SettingView:
    field, value = Settings.model_fields[name], getattr(settings, name)
    is_secret = "SecretStr" in str(field.annotation)
    is_given = name in settings.model_fields_set and value is not None
    in_file = name == "secret_key" and settings.secret_key_file is not None
    return SettingView(
        variable=_variable(name),
        value=("***" if is_given or in_file else "") if is_secret else _shown(value),
        default="" if field.is_required() else _shown(field.default),
        source="file" if in_file else "environment" if is_given else "default",
        unit=next((unit for end, unit in _UNITS.items() if name.endswith(end)), ""),
        description=field.description or "",
        is_secret=is_secret,
    )


def _variable(name: str) -> str:
    return "DATABASE_URL" if name == "database_url" else "BROKER_" + name.upper()


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def load() -> Settings:
    """The settings of this process.

    Raises: SettingsError with every fault, one line each, without any value.
    """
    known = {"BROKER_" + name.upper() for name in Settings.model_fields} - {"BROKER_DATABASE_URL"}
    unknown = sorted(name for name in os.environ if name.startswith("BROKER_") and name not in known | _FOR_OTHERS)
    faults = [f"{name}: there is no such setting; `broker settings` lists them" for name in unknown]
    try:
        settings = Settings()
    except ValidationError as error:
        faults += [_fault(dict(item)) for item in error.errors()]
        settings = None
    if faults or settings is None:
        raise SettingsError("\n".join(faults))
    return settings


def _fault(item: Mapping[str, object]) -> str:
    where = item["loc"]
    name = str(where[0]) if isinstance(where, tuple) and where else ""
    variable = name if name == "DATABASE_URL" else ("BROKER_" + name.upper() if name else "settings")
    reason = "is required" if item["type"] == "missing" else str(item["msg"]).removeprefix("Value error, ")
    return f"{variable}: {reason}"
