"""The format: whatever happens to a file, it is noticed before anything of it is used."""

import io
import os
from pathlib import Path

import pytest

from broker.backup.container import DATA, END, MANIFEST, FrameWriter, read_frames, read_header
from broker.backup.errors import BackupError
from broker.kernel.vault import DataKey

KEY = DataKey(os.urandom(32))
FRAMES = [(MANIFEST, b"{}"), (DATA, b"first"), (DATA, b"second"), (END, b"over")]


def written(frames: list[tuple[bytes, bytes]], key: DataKey = KEY) -> bytes:
    out = io.BytesIO()
    writer = FrameWriter(out, key, {"id": "1"})
    for kind, content in frames:
        writer.write(kind, content)
    return out.getvalue()


def read(content: bytes) -> list[tuple[bytes, bytes]]:
    return list(read_frames(io.BytesIO(content), KEY))


def test_frames_come_back_as_they_were_written() -> None:
    assert read(written(FRAMES)) == FRAMES


def test_a_change_of_any_byte_is_noticed() -> None:
    whole = written(FRAMES)
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        with pytest.raises(BackupError):
            read(bytes(changed))


def test_a_file_cut_anywhere_is_noticed() -> None:
    whole = written(FRAMES)
    for length in range(len(whole)):
        with pytest.raises(BackupError):
            read(whole[:length])


def test_a_file_without_its_last_frame_is_called_cut_short() -> None:
    with pytest.raises(BackupError, match="cut short"):
        read(written(FRAMES[:-1]))


def test_what_is_added_behind_the_end_is_noticed() -> None:
    with pytest.raises(BackupError, match="behind its end"):
        read(written(FRAMES) + b"x")


def test_frames_cannot_be_swapped_left_out_or_taken_from_another_backup_under_the_same_key() -> None:
    one, other = written(FRAMES), written([(MANIFEST, b"[]"), *FRAMES[1:]], KEY)
    start = len(written([]))
    sizes = [len(written(FRAMES[: count + 1])) for count in range(4)]
    first, second, third, last = (one[a:b] for a, b in zip([start, *sizes], sizes, strict=False))
    for mixed in (first + third + second + last, first + third + last, first + second + second + third + last):
        with pytest.raises(BackupError):
            read(one[:start] + mixed)
    out = io.BytesIO()
    FrameWriter(out, KEY, {"id": "2"})
    with pytest.raises(BackupError):
        read(out.getvalue() + other[start:])


def test_a_file_of_another_kind_is_called_what_it_is() -> None:
    with pytest.raises(BackupError, match="not a backup"):
        read_header(io.BytesIO(Path(__file__).read_bytes()))


def test_a_later_format_is_refused_with_what_to_do() -> None:
    out = io.BytesIO()
    FrameWriter(out, KEY, {"format": 2})
    with pytest.raises(BackupError, match=r"format 2.*Restore it with that one"):
        read_header(out)
