"""The settings of the mail provider: what the environment (``MAIL_PROVIDER_*``) may say, and what holds otherwise."""

import ipaddress
from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from providers.kit.settings import ProviderSettings

_MIB = 1024 * 1024


class MailSettings(ProviderSettings):
    """Where mail is taken in, how much of it, and where it goes."""

    model_config = SettingsConfigDict(env_prefix="MAIL_PROVIDER_")

    smtp_port: int = Field(
        0, ge=0, le=65535, description="Port of the SMTP server; 0 takes a free one at the first start and keeps it."
    )
    public_host: str = Field("", description="Host name that clients are given; empty takes HOST.")
    username_domain: str = Field("mail.localhost", min_length=1, description="What follows the @ in usernames.")
    tls_cert: Path | None = Field(None, description="PEM file of the certificate chain; empty makes a self-signed one.")
    tls_key: Path | None = Field(None, description="PEM file of the private key for TLS_CERT.")
    upstream: SecretStr | None = Field(
        None, description="Relay that delivers: smtp://user:password@host:port or smtps://…; empty only stores mail."
    )
    upstream_ca: Path | None = Field(None, description="PEM file of an authority to trust for the relay's certificate.")
    upstream_retry_s: float = Field(
        60, gt=0, description="Seconds before the second delivery attempt; each further wait doubles, up to four hours."
    )
    broker_url: str = Field(
        "", description="Where usage of metered plans is reported: the broker's address; empty reports nothing yet."
    )
    message_limit: int = Field(10 * _MIB, ge=_MIB, le=100 * _MIB, description="Bytes a message may have.")
    recipients_limit: int = Field(100, ge=1, le=1000, description="Recipients a message may have.")
    connections_limit: int = Field(200, ge=1, description="SMTP connections open at once.")

    @field_validator("upstream")
    @classmethod
    def _usable_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        url = _split(value)
        if url.scheme not in ("smtp", "smtps") or not url.hostname:
            raise ValueError("must look like smtp://user:password@host:port or smtps://user:password@host:port")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("TLS_CERT and TLS_KEY belong together: set both or none")
        if not self.public_host and self.host in ("0.0.0.0", "::"):  # noqa: S104 (compared with, not bound to)
            raise ValueError("PUBLIC_HOST is needed when HOST is every address: clients must be told a name")
        return self

    @property
    def client_host(self) -> str:
        """The host name in config vars, the certificate and the SMTP greeting."""
        return self.public_host or self.host

    @property
    def loopback_only(self) -> bool:
        """Whether only this machine can connect; only then may passwords travel without TLS."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def upstream_url(self) -> SplitResult | None:
        return _split(self.upstream) if self.upstream else None


def _split(value: SecretStr) -> SplitResult:
    try:
        url = urlsplit(value.get_secret_value())
        _ = url.port  # raises for a port that is none
    except ValueError:
        raise ValueError("is not a URL") from None
    return url
