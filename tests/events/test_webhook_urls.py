"""Which URLs receivers may have; the endpoints' own refusals are in tests/platform_api/test_webhooks.py."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.events.webhook_urls import checked_url
from broker.kernel.errors import InvalidParams

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://hooks.example.com/in?token=1", "hooks.example.com:443"),
        ("https://Hooks.Example.com:8443/", "hooks.example.com:8443"),
        ("https://93.184.215.14/", "93.184.215.14:443"),
    ],
)
def test_a_public_https_url_is_taken_as_it_is(url: str, host: str) -> None:
    checked = checked_url(url, ())
    assert (checked.text, checked.host) == (url, host)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:80/", "http://localhost/", "https://a.localhost/", "http://[::1]:9/"]
)
def test_this_machine_is_for_development_alone(url: str) -> None:
    assert checked_url(url, LOOPBACK[:1] if "::1" not in url else LOOPBACK).text == url
    with pytest.raises(InvalidParams):
        checked_url(url, ())


@pytest.mark.parametrize("host", ["10.0.0.1", "224.0.0.1", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "[2002:a00:1::]"])
def test_what_stands_for_a_private_address_is_refused(host: str) -> None:
    with pytest.raises(InvalidParams, match="public address"):
        checked_url(f"https://{host}/in", LOOPBACK)


@given(
    st.text(max_size=60) | st.text(max_size=40).map("https://".__add__) | st.text(max_size=40).map("http://[".__add__)
)
def test_whatever_is_written_is_a_url_or_is_refused_in_words(text: str) -> None:
    try:
        checked, refusal = checked_url(text, LOOPBACK), None
    except InvalidParams as raised:
        checked, refusal = None, raised.message
    assert refusal is None or refusal.startswith("url: ")
    assert checked is None or (checked.text == text and checked.host.rpartition(":")[2].isdigit())
