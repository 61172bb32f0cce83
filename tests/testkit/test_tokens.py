"""The kit's own arithmetic: tokens against the vectors of the contract and the broker's, masks, addresses."""

from __future__ import annotations

from uuid import UUID

import pytest

from broker.addons.sso import sign_on_tokens
from broker.testkit.connect import address, complaint
from broker.testkit.redact import Redactor, show_body, show_url
from broker.testkit.tokens import Person, tokens

UUID_OF = UUID("01234567-89ab-cdef-0123-456789abcdef")
USER = Person("89abcdef-0123-4567-89ab-cdef01234567", "user@example.com")


def test_the_tokens_are_those_of_the_contract_and_of_the_broker() -> None:
    ours = tokens("saltsalt", "123", UUID_OF, 1_700_000_000, USER)
    assert ours["resource_token"] == "b862e42fc7484e0a990e774b70d2c980bab9cbe2"
    assert ours["user_scoped_resource_token"] == "31a1d7906e4c87a820cf951964ba4bcef5d86fa1500c66002cf4a7f2b7faf563"
    assert ours == sign_on_tokens("saltsalt", "123", UUID_OF, 1_700_000_000, UUID(USER.id), USER.email)
    v1 = tokens("2f97bfa52ca102f8874716e2eb1d3b4920ad0be4", "123", UUID_OF, 1_267_597_772, USER)
    assert v1["token"] == "bb466eb1d6bc345d11072c3cd25c311f21be130d"


def test_what_was_learnt_is_masked_anywhere_and_config_by_its_place() -> None:
    redactor = Redactor()
    redactor.learn_config({"URL": "postgres://user:pass%2Fword@host/db", "PORT": "5432"})
    assert redactor.clean("login pass/word or pass%2Fword failed on 5432") == "login *** or *** failed on 5432"
    shown = show_body(b'{"config": {"PORT": 5432}, "oauth_grant": {"code": "c0de"}, "plan": "mini"}')
    assert "5432" not in shown
    assert "c0de" not in shown
    assert "mini" in shown
    assert show_body(b'{"config": [{"name": "A", "value": "secret"}]}').count("***") == 1
    assert show_url("http://x/?token=abc&app=y") == "http://x/?token=***&app=y"


@pytest.mark.parametrize("value", ["mailbox", "12", 5432, None, "postgres://[", "urn://x", "custom://host"])
def test_what_is_no_address_is_not_tried(value: object) -> None:
    assert address(value) is None


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:p@127.0.0.1:1/db",
        "postgresql://u:p@127.0.0.1:1/db",
        "redis://:p@127.0.0.1:1",
        "rediss://:p@127.0.0.1:1",
        "smtp://u:p@127.0.0.1:1",
        "smtps://u:p@127.0.0.1:1",
        "http://127.0.0.1:1/",
        "amqp://u:p@127.0.0.1:1/vhost",
    ],
)
async def test_an_address_where_nothing_listens_is_told(url: str) -> None:
    told = await complaint(url)
    assert told
    assert "\n" not in told
