"""Every refusal of the broker has a status on this face."""

from collections.abc import Iterator

import pytest

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
