"""Every refusal of the broker has a status on this face."""

from collections.abc import Iterator

import pytest

from broker.faces.elsewhere import not_here
from broker.faces.errors import STATUS, refusal, status_of
from broker.kernel import errors


def subclasses(kind: type[errors.BrokerError]) -> Iterator[type[errors.BrokerError]]:
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


@pytest.mark.parametrize("kind", sorted(set(subclasses(errors.BrokerError)), key=lambda kind: kind.__name__))
def test_every_error_has_a_status_and_an_id(kind: type[errors.BrokerError]) -> None:
    assert 400 <= status_of(kind) <= 503
    assert status_of(kind) != 500
    assert kind.id != errors.BrokerError.id


def test_the_ids_that_clients_match_on_have_the_status_they_expect() -> None:
    expected = {"unauthorized": 401, "not_found": 404, "invalid_params": 422, "rate_limit": 429, "delinquent": 402}
    found = {kind.id: status for kind, status in STATUS.items()}
    assert expected.items() <= found.items()
    assert found["confirmation_required"] == 423


def test_a_refusal_carries_its_public_fields() -> None:
    answer = refusal(errors.ConfirmationRequired("Really?", app={"name": "demo"}))
    assert (answer.status_code, answer.body) == (
        423,
        b'{"id":"confirmation_required","message":"Really?","app":{"name":"demo"}}',
    )
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/apps/demo/dynos", "no dynos"), ("/apps/demo/formation/web", "no dynos"), ("/apps/demo/builds", "not built"),
        ("/apps/demo/buildpack-installations", "not built"), ("/apps/demo/log-sessions", "no logs"),
        ("/apps/demo/log-drains/https%3A%2F%2Fa.example", "no logs"), ("/apps/demo/sni-endpoints", "no certificates"),
        ("/apps/demo/domains", "no domains"), ("/account/keys/1", "no key"), ("/spaces", "no private spaces"),
        ("/pipelines/1", "no pipelines"), ("/apps/demo/pipeline-couplings", "no pipelines"), ("/filters/apps", "no pipelines"),
        ("/enterprise-accounts", "no enterprise accounts"), ("/client/v11/apps/demo/transfers", "its provider does"),
        ("/redis/v0/databases/demo/config", "its provider does"), ("/data/maintenances/v1/demo", "its provider does"), ("/reports", "its provider does"),
    ],
)  # fmt: skip
def test_what_only_heroku_has_is_answered_with_where_it_is(path: str, words: str) -> None:
    assert words in (not_here(path) or "")


@pytest.mark.parametrize(
    "path", ["/nowhere", "/apps", "/apps/demo", "/keys", "/apps/dynos", "/database", "/apps/" * 5000]
)
def test_of_other_paths_nothing_is_known(path: str) -> None:
    assert not_here(path) is None
