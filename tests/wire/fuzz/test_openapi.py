"""schemathesis over the whole OpenAPI document: no 500, no undocumented status, no body that is not as described.

Bounded: a few examples per endpoint and kind, the same ones at each run. `FUZZ_EXAMPLES` widens it.
"""

import json
import os
from zlib import crc32

import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from broker.openapi import document
from tests.wire.fuzz.conftest import Address

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "3"))
KNOWN = {"app": "shop", "addon": "my-store", "service": "store", "release": "1", "user": "~"}
"""What some examples put into the path, so that they reach further than a 404."""
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]

schema = schemathesis.openapi.from_dict(json.loads(document()))


@schema.parametrize()
@hypothesis_settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_endpoint_keeps_to_its_description(case: schemathesis.Case, address: Address) -> None:
    destroys_the_app = case.method == "DELETE" and case.path == "/apps/{app}"
    if not destroys_the_app and crc32(json.dumps(case.path_parameters, default=str).encode()) % 3:
        case.path_parameters.update({key: KNOWN[key] for key in case.path_parameters if key in KNOWN})
    headers = {"authorization": f"Bearer {address.token}"}
    case.call_and_validate(base_url=address.url, headers=headers, checks=CHECKS)
