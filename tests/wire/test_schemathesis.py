"""schemathesis over the OpenAPI document: whatever the document allows, and much that it forbids, is answered as it says.

Bounded and repeatable: few examples per endpoint, from a fixed seed, against a server with a stocked shop.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from broker.kernel.vault import Vault
from broker.openapi import document
from tests.engines import new_database
from tests.wire.serving import Served, served

schema = schemathesis.openapi.from_dict(json.loads(document()))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
    negative_data_rejection,
]


@pytest.fixture(scope="module")
def server(postgres_url: str, migrated_database: str, vault: Vault) -> Iterator[Served]:
    with new_database(postgres_url, migrated_database.rsplit("/", 1)[1]) as url, served(url, vault) as shop:
        yield shop


@schema.parametrize()
@settings(
    max_examples=5,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_the_document_says(case: Any, server: Served) -> None:
    if case.path_parameters:
        case.path_parameters.update(known(case, server))
    case.call_and_validate(
        base_url=server.url, headers={"authorization": f"Bearer {server.token}"}, checks=CHECKS, timeout=20
    )


def known(case: Any, server: Served) -> dict[str, str]:
    """Names of what there is, for every second case, so that not every answer is a 404."""
    names = {
        "app": "shop", "addon": "my-store", "attachment": server.ids["attachment"], "service": "store", "plan": "store:free",
        "release": "1", "authorization": "~", "user": "~", "region": "us", "stack": "heroku-24",
    }  # fmt: skip
    if case.method == "DELETE" or len(str(case.path_parameters)) % 2:
        return {}
    return {name: value for name, value in names.items() if name in case.path_parameters}
