import os

import pytest

from broker.kernel.vault import KeyRing, SealBroken, Vault


def vault_with(*keys: bytes) -> Vault:
    return Vault(KeyRing(lambda: keys))


def test_a_value_opens_only_at_the_place_it_was_sealed_for(vault: Vault) -> None:
    key, _ = vault.new_data_key("apps:1")
    sealed = key.seal(b"s3cret", "config_vars:1:FOO:3")
    assert key.open(sealed, "config_vars:1:FOO:3") == b"s3cret"
    with pytest.raises(SealBroken):
        key.open(sealed, "config_vars:1:BAR:3")


def test_a_wrapped_key_does_not_open_for_another_owner(vault: Vault) -> None:
    _, wrapped = vault.new_data_key("apps:1")
    with pytest.raises(SealBroken):
        vault.unwrap(wrapped, "apps:2")


def test_rewrapping_moves_a_data_key_under_the_new_primary_and_is_idempotent() -> None:
    old, new = os.urandom(32), os.urandom(32)
    key, wrapped = vault_with(old).new_data_key("apps:1")
    rotating = vault_with(new, old)
    moved = rotating.rewrap(wrapped, "apps:1")
    assert moved is not None
    assert rotating.rewrap(moved, "apps:1") is None
    alone = vault_with(new).unwrap(moved, "apps:1")
    assert alone.open(key.seal(b"x", "p"), "p") == b"x"


def test_a_running_process_learns_of_a_new_key_when_it_meets_one() -> None:
    old, new = os.urandom(32), os.urandom(32)
    keys = [old]
    running = Vault(KeyRing(lambda: list(keys)))
    keys.insert(0, new)
    _, wrapped = vault_with(new, old).new_data_key("apps:1")
    assert running.unwrap(wrapped, "apps:1")


def test_an_unknown_key_is_named_as_the_cause(vault: Vault) -> None:
    _, wrapped = vault_with(os.urandom(32)).new_data_key("apps:1")
    with pytest.raises(SealBroken, match="BROKER_SECRET_KEY"):
        vault.unwrap(wrapped, "apps:1")


def test_a_signature_is_bound_to_its_purpose(vault: Vault) -> None:
    signature = vault.sign("sso", b"m")
    assert vault.verify("sso", b"m", signature)
    assert not vault.verify("other", b"m", signature)
