"""Settings that cannot be used stop the start with a sentence, and without the secret that was in them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from providers.kit.settings import from_environment
from providers.mail import tls
from providers.mail.settings import MailSettings


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("UPSTREAM", "ftp://user:hunter2@mail.example.com", "must look like smtp://"),
        ("UPSTREAM", "smtp://user:hunter2@mail.example.com:none", "is not a URL"),
        ("TLS_CERT", "/cert.pem", "belong together"),
        ("HOST", "0.0.0.0", "PUBLIC_HOST is needed"),
        ("SMTP_PORT", "70000", "SMTP_PORT"),
    ],
)
def test_a_wrong_setting_is_named_and_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, words: str
) -> None:
    for key, given in {"HOME": str(tmp_path), "MANIFESTS": "mail.json", name: value}.items():
        monkeypatch.setenv(f"MAIL_PROVIDER_{key}", given)
    with pytest.raises(SystemExit) as stop:
        from_environment(MailSettings)
    assert words in str(stop.value)
    assert "hunter2" not in str(stop.value)


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False)]
)
def test_only_loopback_counts_as_safe_without_tls(tmp_path: Path, host: str, loopback: bool) -> None:
    assert MailSettings(home=tmp_path, manifests=(), host=host).loopback_only is loopback


def test_the_self_signed_certificate_is_kept_until_it_ends_soon_or_the_host_changes(tmp_path: Path) -> None:
    now = datetime.now(UTC)

    def made(host: str, at: datetime) -> bytes:
        certificate, key = tls.ensure_self_signed(tmp_path, host, at)
        assert tls.server_context(certificate, key)
        return certificate.read_bytes()

    first = made("mail.example.com", now)
    assert made("mail.example.com", now + timedelta(days=200)) == first
    renewed = made("mail.example.com", now + timedelta(days=350))
    assert renewed != first
    assert made("10.0.0.1", now + timedelta(days=350)) != renewed
