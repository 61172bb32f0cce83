"""Keys that sign ID tokens: kept sealed, succeeded in time, published as long as they matter."""

import json

from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import select

from broker.kernel.context import Context
from broker.oauth.models import SigningKey
from broker.oauth.signing import SIGNS_FOR, public_keys, signer
from tests.domain import StoppedClock


async def test_a_key_signs_for_its_time_and_is_published_a_little_longer(ctx: Context, clock: StoppedClock) -> None:
    [published] = await public_keys(ctx)
    first = await signer(ctx)
    assert first.key.kid == published["kid"]
    assert not {"d", "p", "q"} & set(published)
    token = first.id_token({"sub": "ann"}, clock.now())
    clock.advance(seconds=SIGNS_FOR.total_seconds())
    second = await signer(ctx)
    assert second.key.kid != first.key.kid
    keys = KeySet.import_key_set({"keys": list(await public_keys(ctx))})
    assert {key.kid for key in keys.keys} == {first.key.kid, second.key.kid}
    assert jwt.decode(token, keys, algorithms=["RS256"]).claims["sub"] == "ann"
    clock.advance(days=1)
    assert [key["kid"] for key in await public_keys(ctx)] == [second.key.kid]


async def test_the_private_half_is_stored_sealed(ctx: Context) -> None:
    key = (await signer(ctx)).key
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(select(SigningKey.__table__))).one()
    secret = str(key.as_dict(private=True)["d"])
    assert secret.encode() not in row.private_sealed
    assert secret not in json.dumps(row.public_jwk)
