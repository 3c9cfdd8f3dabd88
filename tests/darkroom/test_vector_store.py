"""The store of vectors: what is kept, what is damaged, what two writers leave, and what is refused."""

import resource
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from darkroom import vector_store
from darkroom.embeddings import Embeddings, Origin, make_batch, write
from darkroom.preprocessing.recipe import Recipe
from darkroom.system.errors import InputError
from darkroom.vector_store import VectorStore

ORIGIN = Origin("lite0", "ab" * 32, "features", Recipe(224), "float32", "cpu", 3)


def rows(names: str) -> pa.RecordBatch:
    """Rows whose values follow from the image's letter."""
    codes = np.array([ord(name) for name in names])
    grey = np.repeat(codes.astype(np.uint8), 32 * 32).reshape(-1, 32, 32)
    colours = np.repeat(codes.astype(np.uint8), 8 * 8 * 3).reshape(-1, 8, 8, 3)
    return make_batch(list(names), np.eye(3)[codes % 3], codes.astype(float), grey, colours, codes.tolist())


def filled(root: Path, names: str, origin: Origin = ORIGIN) -> VectorStore:
    store = VectorStore(root, origin, names)
    store.add(rows(names))
    store.flush()
    return store


def held(root: Path, names: str = "abcdefgh", origin: Origin = ORIGIN) -> str:
    """Which of the images the store holds, in the order in which it gives them."""
    store = VectorStore(root, origin, names)
    found = [name for batch in store.rows(names) for name in batch.column("image_id").to_pylist()]
    assert found == [name for name in names if name in store]
    for batch in store.rows(names):
        assert batch.equals(rows("".join(batch.column("image_id").to_pylist())))
    return "".join(found)


def shards(root: Path) -> list[Path]:
    return sorted(root.glob("*/*.arrow"))


def test_rows_are_given_in_the_order_that_is_asked_for_from_any_number_of_shards(tmp_path: Path) -> None:
    store = filled(tmp_path, "dbh")
    assert ("b" in store, "a" in store) == (True, False)
    filled(tmp_path, "ace")
    assert held(tmp_path) == "abcdeh"
    assert held(tmp_path, "hxa") == "ha"
    assert len(shards(tmp_path)) == 2


def test_what_is_added_is_written_when_there_is_enough_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_store, "SHARD_ROWS", 3)
    store = VectorStore(tmp_path, ORIGIN, "abcd")
    for name, number in (("a", 0), ("b", 0), ("c", 1), ("d", 1)):
        store.add(rows(name))
        assert len(shards(tmp_path)) == number
    store.flush()
    assert len(shards(tmp_path)) == 2
    assert held(tmp_path) == "abcd"


def test_many_rows_are_handed_out_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_store, "BATCH_ROWS", 2)
    filled(tmp_path, "abcde")
    assert [batch.num_rows for batch in VectorStore(tmp_path, ORIGIN, "abcde").rows("abcde")] == [2, 2, 1]


def test_other_origins_are_apart(tmp_path: Path) -> None:
    filled(tmp_path, "ab")
    other = Origin("lite0", "ab" * 32, "features", Recipe(224), "bf16", "cpu", 3)
    assert held(tmp_path, origin=other) == ""
    filled(tmp_path, "bc", other)
    assert (held(tmp_path), held(tmp_path, origin=other)) == ("ab", "bc")


@pytest.mark.parametrize("damage", ["a bit", "cut off", "emptied", "no Arrow", "other columns"])
def test_a_damaged_shard_is_removed_and_counted(tmp_path: Path, damage: str) -> None:
    filled(tmp_path, "ab")
    (first,) = shards(tmp_path)
    data = bytearray(first.read_bytes())
    filled(tmp_path, "cd")
    if damage == "a bit":
        place = bytes(data).index(np.eye(3)[[1, 2]].astype(np.float16).tobytes())  # inside of a vector, where Arrow notices nothing
        data[place] ^= 1
    elif damage == "other columns":
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, pa.schema([("image_id", pa.string())])) as writer:
            writer.write_batch(pa.record_batch({"image_id": ["a", "b"]}))
        data = bytearray(sink.getvalue())
    first.write_bytes({"cut off": bytes(data[: len(data) // 2]), "emptied": b"", "no Arrow": b"hello"}.get(damage, bytes(data)))
    store = VectorStore(tmp_path, ORIGIN, "abcd")
    assert (store.num_damaged, [name in store for name in "abcd"]) == (1, [False, False, True, True])
    assert not first.exists()
    assert VectorStore(tmp_path, ORIGIN, "abcd").num_damaged == 0


def test_more_shards_than_a_process_may_open_are_read_and_written(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/dev/fd").iterdir())) + 10, limits[1]))
    try:
        letters = "abcdefghijklmnopqrstuvwxyz"
        store = VectorStore(tmp_path, ORIGIN, letters)
        for name in letters:
            store.add(rows(name))
            store.flush()
        assert (held(tmp_path, letters), len(shards(tmp_path))) == (letters, 26)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_shard_that_cant_be_opened_is_no_damaged_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path, "ab")

    def refused(path: Path, columns: pa.Schema) -> pa.RecordBatch:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(vector_store, "read_shard", refused)
    with pytest.raises(OSError, match="Too many open files"):
        VectorStore(tmp_path, ORIGIN, "ab")
    assert len(shards(tmp_path)) == 1


def test_two_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    one, other = VectorStore(tmp_path, ORIGIN, "abcd"), VectorStore(tmp_path, ORIGIN, "abcd")
    one.add(rows("abc"))
    other.add(rows("bcd"))
    one.flush()
    other.flush()
    assert held(tmp_path) == "abcd"
    assert [sorted(name for name in "abcd" if name in store) for store in (one, other)] == [["a", "b", "c"], ["b", "c", "d"]]
    assert list(tmp_path.glob("*/.*")) == []


def test_a_shard_that_another_process_removes_meanwhile_stays_readable(tmp_path: Path) -> None:
    filled(tmp_path, "abc")
    store = VectorStore(tmp_path, ORIGIN, "abc")
    shards(tmp_path)[0].unlink()
    assert [batch.equals(rows("abc")) for batch in store.rows("abc")] == [True]


def test_embeddings_have_equal_bytes_whatever_the_shards_were(tmp_path: Path) -> None:
    filled(tmp_path / "one", "abcdef")
    for names in ("fb", "a", "dce"):
        filled(tmp_path / "other", names)
    for name in ("one", "other"):
        write(tmp_path / "embeddings" / name, ORIGIN, VectorStore(tmp_path / name, ORIGIN, "abcdef").rows("abcdef"))
    files = [(tmp_path / "embeddings" / name / "embeddings.arrow").read_bytes() for name in ("one", "other")]
    assert files[0] == files[1]
    assert Embeddings(tmp_path / "embeddings" / "one").names == list("abcdef")


def test_a_place_that_can_not_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file.*DARKROOM_VECTORS"):
        VectorStore(tmp_path / "file", ORIGIN, "abc")


def test_a_damaged_shard_is_removed_and_never_written_anew_when_an_image_is_forgotten(tmp_path: Path) -> None:
    filled(tmp_path, "ab")
    filled(tmp_path, "ac")
    damaged = shards(tmp_path)[0]
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(bytes(data))
    vector_store.forget_images(tmp_path, ["a"])
    (left,) = shards(tmp_path)
    assert vector_store.shard_names(left) in (["b"], ["c"])
    assert VectorStore(tmp_path, ORIGIN, "abc").num_damaged == 0
