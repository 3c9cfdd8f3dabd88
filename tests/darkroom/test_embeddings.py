"""The noun `embeddings`: exact values, the order of its rows, its metadata and its format."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from darkroom import embeddings
from darkroom.embeddings import FILE, Embeddings, Origin, make_batch, read_notes, write
from darkroom.notes import Note
from darkroom.preprocessing.corrections import Corrections
from darkroom.preprocessing.recipe import Recipe
from darkroom.system.errors import InputError

ORIGIN = Origin("lite0", "ab" * 32, "features", Recipe(224, "bicubic", 0.875), "float32", "cpu", 2)
VECTORS, NORMS = np.array([[0.6, 0.8], [0, 0], [-1, 0]], np.float32), np.array([5, 0, 2], np.float32)
GREY = np.arange(3 * 32 * 32, dtype=np.uint64).reshape(3, 32, 32).astype(np.uint8)
COLOURS = np.arange(3 * 8 * 8 * 3, dtype=np.uint64).reshape(3, 8, 8, 3).astype(np.uint8)
NOTES = (Note("embed", "hand-made features"),)


def rows(names: str = "abc") -> pa.RecordBatch:
    return make_batch(list(names), VECTORS, NORMS, GREY, COLOURS, [0, 2**64 - 1, 7])


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    assert write(tmp_path / "e", ORIGIN, [rows()], NOTES) == 3
    found = Embeddings(tmp_path / "e")
    assert (found.origin, found.notes, found.names, len(found)) == (ORIGIN, NOTES, ["a", "b", "c"], 3)
    assert found.vectors.dtype == np.float16
    assert (found.vectors == VECTORS.astype(np.float16)).all()
    assert found.norms.tolist() == [5, 0, 2]
    assert (found.grey == GREY).all()
    assert (found.colours == COLOURS).all()
    assert found.signatures.tolist() == [0, 2**64 - 1, 7]
    assert read_notes(tmp_path / "e") == NOTES


def test_rows_are_found_by_image(tmp_path: Path) -> None:
    write(tmp_path / "e", ORIGIN, [rows("abc"), rows("def")])
    found = Embeddings(tmp_path / "e")
    assert found.rows(["f", "a"]).tolist() == [5, 0]
    assert found.of(["d"]).dtype == np.float32
    assert found.of(["d"]).tolist() == [[np.float16(0.6), np.float16(0.8)]]
    assert ("e" in found, "z" in found) == (True, False)
    with pytest.raises(KeyError):
        found.of(["z"])


def test_nothing_is_copied_from_the_file(tmp_path: Path) -> None:
    write(tmp_path / "e", ORIGIN, [rows("abc"), rows("def")])
    found = Embeddings(tmp_path / "e")
    assert [values.flags.owndata for values in (found.vectors, found.grey, found.colours)] == [False] * 3
    assert (found.grey == np.concatenate([GREY, GREY])).all()
    assert [path.name for path in (tmp_path / "e").iterdir()] == [FILE]


def test_there_may_be_no_rows(tmp_path: Path) -> None:
    write(tmp_path / "e", ORIGIN, [])
    found = Embeddings(tmp_path / "e")
    assert (found.vectors.shape, found.grey.shape, found.signatures.shape) == ((0, 2), (0, 32, 32), (0,))


def test_equal_rows_make_equal_bytes(tmp_path: Path) -> None:
    for name, batches in {"1": [rows()], "2": [rows().slice(0, 1), rows().slice(1, 2)]}.items():
        write(tmp_path / name, ORIGIN, batches, NOTES)
    assert (tmp_path / "1" / FILE).read_bytes() == (tmp_path / "2" / FILE).read_bytes()


@pytest.mark.parametrize("second", ["abc", "ddd", "fed"])
def test_rows_out_of_order_are_refused_and_leave_nothing(tmp_path: Path, second: str) -> None:
    with pytest.raises(ValueError, match="order"):
        write(tmp_path / "e", ORIGIN, [rows("abc"), rows(second)])
    assert list(tmp_path.iterdir()) == []


def rewritten(folder: Path, metadata: dict[bytes, bytes] | None) -> Path:
    """The file with other metadata."""
    table = pa.ipc.open_file(str(folder / FILE)).read_all().replace_schema_metadata(metadata)
    with pa.ipc.new_file(str(folder / FILE), table.schema) as writer:
        writer.write_table(table)
    return folder


def test_lost_metadata_are_an_error(tmp_path: Path) -> None:
    write(tmp_path / "e", ORIGIN, [rows()])
    with pytest.raises(ValueError, match=FILE):
        Embeddings(rewritten(tmp_path / "e", None))
    assert read_notes(tmp_path / "e") == ()


def test_a_later_format_is_one_sentence(tmp_path: Path) -> None:
    write(tmp_path / "e", ORIGIN, [rows()])
    (key, text), *_ = pa.ipc.open_file(str(tmp_path / "e" / FILE)).schema.metadata.items()
    later = json.dumps(json.loads(text) | {"format": 2}).encode()
    with pytest.raises(InputError, match=rf"{FILE} is written in format 2 .* up to 1"):
        Embeddings(rewritten(tmp_path / "e", {key: later}))


def test_other_columns_are_an_error(tmp_path: Path) -> None:
    write(tmp_path / "e", ORIGIN, [rows()])
    table = pa.ipc.open_file(str(tmp_path / "e" / FILE)).read_all().drop_columns("norm")
    with pa.ipc.new_file(str(tmp_path / "e" / FILE), table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(ValueError, match="columns"):
        Embeddings(tmp_path / "e")


def test_every_part_of_the_origin_makes_another_key() -> None:
    others = [
        {"backbone": "lite1"}, {"weights_sha256": "cd" * 32}, {"layer": "logits"}, {"recipe": Recipe(224)}, {"precision": "bf16"},
        {"device": "cuda"}, {"num_features": 3},
    ]  # fmt: skip
    assert {*others[0]}.union(*others) == set(embeddings.Origin.__dataclass_fields__)
    keys = {replace(ORIGIN, **change).key for change in others}  # type: ignore[arg-type]
    assert len(keys | {ORIGIN.key}) == len(others) + 1


def test_vectors_that_were_kept_before_recipes_had_corrections_are_found_and_corrected_ones_are_others() -> None:
    assert ORIGIN.key == "c4162fabd98589caf8e1"
    corrected = replace(ORIGIN, recipe=replace(ORIGIN.recipe, corrections=Corrections(contrast="clahe")))
    assert (
        corrected.key != replace(corrected, recipe=replace(corrected.recipe, corrections=Corrections(denoise="median"))).key != ORIGIN.key
    )


def test_the_recipe_of_a_backbone_that_corrects_images_comes_back(tmp_path: Path) -> None:
    origin = replace(ORIGIN, recipe=Recipe(224, pad=True, fill=9, corrections=Corrections(contrast="clahe", clahe_limit=3.0)))
    write(tmp_path / "e", origin, [rows()])
    assert Embeddings(tmp_path / "e").origin == origin
