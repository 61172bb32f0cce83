"""Recording the intent to provision: add-on, attachment, operation, fact and job in one statement and one round trip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import CTE, Integer, bindparam, insert, select

from broker.addons.models import Addon, Attachment, Operation
from broker.addons.work import ADVANCE
from broker.events.emit import recorded
from broker.kernel.db import Base, Tx
from broker.kernel.direct import Direct
from broker.kernel.jobs import BEHIND, deferred, job_values

_ADDON: Final = "id name app_id service_id plan_id price_cents currency state region created_at updated_at".split()
_ATTACHMENT: Final = "id app_id addon_id name wanted_name created_at updated_at".split()
_OPERATION: Final = (
    "id addon_id kind state step attempts fencing next_at deadline_at may_exist plan_id options_sealed actor_id"
    " actor_email authorization_id history created_at updated_at"
).split()


def _inserted(table: type[Base], columns: Iterable[str]) -> CTE:
    name = table.__tablename__
    return insert(table).values({column: bindparam(f"{name}_{column}") for column in columns}).cte(f"new_{name}")


# Whoever adds at a provider that has a queue already goes behind those who add elsewhere.
_PRIORITY: Final = "coalesce((select :job_behind from provider_health where service_id = :job_service and crowded_until > :job_now), 0)"
_DEFERRED: Final = deferred(_PRIORITY).bindparams(
    bindparam("job_behind", BEHIND, Integer),
    bindparam("job_service", type_=Addon.service_id.type),
    bindparam("job_now", type_=Addon.created_at.type),
)
_RECORD: Final = Direct(
    select(_DEFERRED).add_cte(
        _inserted(Addon, _ADDON), _inserted(Attachment, _ATTACHMENT), _inserted(Operation, _OPERATION), *recorded()
    )
)


async def record_provision(
    tx: Tx,
    addon: Mapping[str, Any],
    attachment: Mapping[str, Any],
    operation: Mapping[str, Any],
    requested: Mapping[str, Any],
) -> None:
    """Insert the three rows, given by column, record the fact, and defer the job that advances the operation.

    Raises: asyncpg.UniqueViolationError for a name that is taken.
    """
    values = {f"addons_{column}": value for column, value in addon.items()}
    values |= {f"attachments_{column}": value for column, value in attachment.items()}
    values |= {f"operations_{column}": value for column, value in operation.items()}
    job = job_values(ADVANCE, {"operation_id": str(operation["id"])})
    await _RECORD.all(tx, **values, **job, job_service=addon["service_id"], job_now=addon["created_at"], **requested)
