"""Who opens a backup, and how keys find their way back to a machine that lost them."""

import base64
import io
import json
import os
from pathlib import Path

import pytest

from broker.backup.container import END, FrameWriter, Header, read_frames, read_header
from broker.backup.errors import BackupError
from broker.backup.keys import Keys, adopt, lock, read_key_file, read_passphrase, unlock
from broker.kernel.vault import key_id
from tests.backup.conftest import PASSPHRASE

KEK, OTHER = os.urandom(32), os.urandom(32)


@pytest.fixture(scope="module")
def with_passphrase() -> tuple[Header, io.BytesIO]:
    return locked(Keys([KEK, OTHER], None, PASSPHRASE))


def locked(keys: Keys) -> tuple[Header, io.BytesIO]:
    key, fields = lock("1", keys)
    out = io.BytesIO()
    FrameWriter(out, key, {"id": "1", **fields}).write(END, b"content")
    return read_header(out), out


def test_the_key_encryption_key_opens_it_after_a_rotation_too() -> None:
    header, file = locked(Keys([KEK]))
    assert list(read_frames(file, unlock(header, Keys([OTHER, KEK])).key)) == [(END, b"content")]


def test_another_key_is_refused_and_the_right_one_named() -> None:
    header, _ = locked(Keys([KEK]))
    with pytest.raises(BackupError, match=f"opens with the key-encryption key {key_id(KEK).hex()}"):
        unlock(header, Keys([OTHER]))


def test_keys_are_not_in_the_file_without_a_passphrase() -> None:
    header, file = locked(Keys([KEK]))
    assert "passphrase" not in header.fields
    assert KEK not in file.getvalue()
    assert base64.urlsafe_b64encode(KEK) not in file.getvalue()


def test_the_passphrase_alone_opens_it_and_gives_the_keys_back(with_passphrase: tuple[Header, io.BytesIO]) -> None:
    header, file = with_passphrase
    assert KEK not in file.getvalue()
    assert base64.urlsafe_b64encode(KEK) not in file.getvalue()
    unlocked = unlock(header, Keys((), None, PASSPHRASE))
    assert list(read_frames(file, unlocked.key)) == [(END, b"content")]
    assert unlocked.carried == [KEK, OTHER]
    assert list(read_frames(file, unlock(header, Keys([KEK])).key)) == [(END, b"content")]


def test_a_wrong_passphrase_is_refused(with_passphrase: tuple[Header, io.BytesIO]) -> None:
    header, _ = with_passphrase
    with pytest.raises(BackupError, match="passphrase does not open"):
        unlock(header, Keys([KEK], None, PASSPHRASE + b"!"))


def test_a_passphrase_for_a_backup_without_one_is_told() -> None:
    header, _ = locked(Keys([KEK]))
    with pytest.raises(BackupError, match="made without a passphrase"):
        unlock(header, Keys([KEK], None, PASSPHRASE))


@pytest.mark.parametrize("cost", [{"n": 1 << 40}, {"n": 3}, {"r": 0}, {"salt": 1}, {"n": "many"}])
def test_a_changed_header_neither_fills_the_memory_nor_ends_in_a_traceback(
    with_passphrase: tuple[Header, io.BytesIO], cost: dict[str, object]
) -> None:
    header, _ = with_passphrase
    fields = json.loads(json.dumps(header.fields))
    fields["passphrase"]["scrypt"].update(cost)
    with pytest.raises(BackupError):
        unlock(Header(fields, header.digest), Keys((), None, PASSPHRASE))


def test_a_lost_key_file_is_written_anew_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    assert adopt([key_id(KEK).hex()], Keys((), path, PASSPHRASE), [KEK]) == 1
    assert read_key_file(path) == [KEK]
    assert path.stat().st_mode & 0o777 == 0o600


def test_missing_keys_go_behind_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(base64.urlsafe_b64encode(OTHER) + b"\n")
    needed = [key_id(KEK).hex()]
    assert adopt(needed, Keys([OTHER], path, PASSPHRASE), [KEK]) == 1
    assert adopt(needed, Keys(read_key_file(path), path, PASSPHRASE), [KEK]) == 0
    assert read_key_file(path) == [OTHER, KEK]


def test_secrets_that_would_stay_shut_are_refused_by_the_name_of_their_key() -> None:
    with pytest.raises(BackupError, match=f"not here: {key_id(KEK).hex()}"):
        adopt([key_id(KEK).hex()], Keys([OTHER]), [])


def test_keys_without_a_file_to_go_to_are_told(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="BROKER_SECRET_KEY_FILE"):
        adopt([key_id(KEK).hex()], Keys([OTHER], None, PASSPHRASE), [KEK])


def test_a_short_passphrase_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("short\n")
    with pytest.raises(BackupError, match="12 characters"):
        read_passphrase(tmp_path / "p")
    (tmp_path / "p").write_bytes(PASSPHRASE + b"\r\nsecond line\n")
    assert read_passphrase(tmp_path / "p") == PASSPHRASE
