"""A file of each format that was ever released is still read, and one of a later number is told to be one."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from darkroom import issues, manifest
from darkroom.embeddings import Embeddings
from darkroom.evaluation import read_metrics, read_predictions
from darkroom.model import CARD_FORMAT, read_card
from darkroom.outcome import Verdict, read_outcome
from darkroom.preprocessing.recipe import Recipe
from darkroom.scans import read as read_scans
from darkroom.system.config import KEPT
from darkroom.system.errors import InputError
from darkroom.system.files import read_json
from darkroom.system.formats import record_from
from darkroom.training.hyperparameters import Settings
from pipelines.params import complete, known_settings

RELEASED = Path(__file__).parent / "format_1"
READERS: dict[str, Callable[[Path], Any]] = {
    "model.json": lambda path: read_card(path.parent),
    "manifest.parquet": manifest.read,
    "predictions.parquet": lambda path: read_predictions(path.parent),
    "metrics.json": lambda path: read_metrics(path.parent),
    "outcome.json": read_outcome,
    "issues.parquet": issues.read,
    "settings.json": lambda path: KEPT.upgrade(read_json(path), path),
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A copy of the released files."""
    return Path(shutil.copytree(RELEASED, tmp_path / "files"))


def change(path: Path, values: dict[str, Any]) -> None:
    """Adds values beside the format's number, in a JSON file or in the metadata of a table."""
    if path.suffix == ".json":
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
        return
    table = pq.read_table(path)
    known = json.loads((table.schema.metadata or {}).get(b"darkroom", b"{}"))
    pq.write_table(table.replace_schema_metadata({b"darkroom": json.dumps({**known, **values}).encode()}), path)


@pytest.mark.parametrize("name", READERS)
def test_what_a_file_of_now_has_besides_is_ignored(files: Path, name: str) -> None:
    change(files / name, {"format": CARD_FORMAT.number if name == "model.json" else 1})
    before = READERS[name](files / name)
    change(files / name, {"invented_later": [1]})
    after = READERS[name](files / name)
    known = {key: after[key] for key in before} if isinstance(before, dict) else after
    assert repr(known) == repr(before)


@pytest.mark.parametrize("name", READERS)
def test_a_file_of_a_later_format_names_the_remedy(files: Path, name: str) -> None:
    change(files / name, {"format": 99})
    with pytest.raises(InputError, match=rf"{name} .*format 99 .*newer version of Darkroom"):
        READERS[name](files / name)


def test_a_card_of_format_1_has_the_hyperparameters_that_its_training_had() -> None:
    card = read_card(RELEASED)
    assert (card.architecture, card.classes, card.side_px) == ("small_cnn", ("left", "right", "top"), 16)
    assert record_from(Settings, card.provenance["hyperparameters"]) == Settings(
        epochs=1, batch_size=32, learning_rate=1e-12, warmup_epochs=0.0, weight_decay=0.0, ema_decay=0.0, patience=10
    )


def test_what_a_card_of_format_1_left_to_auto_is_what_auto_meant_then(files: Path) -> None:
    card = read_json(files / "model.json")
    card["provenance"] |= {"epochs": 40, "settings": {**card["provenance"]["settings"], "warmup_epochs": "auto"}}
    (files / "model.json").write_text(json.dumps(card))
    found = read_card(files).provenance["hyperparameters"]
    assert (found["epochs"], found["warmup_epochs"], found["patience"]) == (40, 4.0, 20)


def test_a_card_of_format_2_squeezes_the_whole_picture_as_it_did() -> None:
    card = read_card(RELEASED.with_name("format_2"))
    assert card.recipe == Recipe(16, "bilinear", 0.0)
    assert card == read_card(RELEASED)


def test_a_card_of_format_3_corrects_nothing_as_it_did() -> None:
    card = read_card(RELEASED.with_name("format_3"))
    assert card.recipe == Recipe(16, "bicubic", 0.875)
    assert card == dataclasses.replace(read_card(RELEASED), resampling="bicubic", center_crop=0.875, mirrored=True)


def test_a_card_is_written_in_the_format_of_now(tmp_path: Path) -> None:
    card = read_card(RELEASED)
    card.write(tmp_path / "model.json")
    assert read_json(tmp_path / "model.json")["format"] == CARD_FORMAT.number == 4
    assert read_card(tmp_path) == card
    assert dataclasses.asdict(card)["provenance"]["settings"]["patience"] == "auto"


def test_tables_of_format_1_keep_their_meaning() -> None:
    table = manifest.read(RELEASED / "manifest.parquet")
    assert (len(table), table.classes, table.task) == (48, ("left", "right", "top"), "multiclass")
    predictions = read_predictions(RELEASED)
    assert len(predictions) == 7
    assert set(predictions.image_ids) == set(table.where("test").column("image_id"))
    assert read_metrics(RELEASED)["accuracy"] == pytest.approx(predictions.measures()["accuracy"])
    assert list(issues.read(RELEASED / "issues.parquet").columns) == issues.SCHEMA.names


def test_an_outcome_of_format_1_names_its_version() -> None:
    assert read_outcome(RELEASED / "outcome.json")["model"] == {"name": "shapes", "version": 1, "alias": "champion", "variant": "pruned"}


def test_a_verdict_of_format_1_is_read_and_written_whole() -> None:
    outcome = read_outcome(RELEASED / "outcome.json")
    verdict = Verdict.from_plain(outcome["decision"], outcome["reason"], outcome)
    assert verdict.comparison and verdict.comparison.champion == "always answering 'right'"
    assert json.loads(json.dumps(verdict.plain())) == {name: outcome[name] for name in ("rival", "comparison", "limits")}


def test_settings_of_format_1_are_those_of_now_but_for_what_is_unknown() -> None:
    kept = READERS["settings.json"](RELEASED / "settings.json")
    kept["train"]["temper"] = 3
    kept["polish"] = {"shine": 1}
    settings, unknown = known_settings(kept)
    assert unknown == ["polish.shine", "train.temper"]
    assert complete(settings)["train"]["learning_rate"] == 1e-12


def test_embeddings_of_format_1_are_read() -> None:
    found = Embeddings(RELEASED)
    assert found.origin.recipe == Recipe(224, "bicubic", 0.875)
    assert (found.origin.backbone, found.origin.precision, found.origin.device) == ("lite0", "float32", "cpu")
    assert found.names == ["0" * 64, "f" * 64]
    assert found.of(["f" * 64, "0" * 64]).tolist() == [[1, 0], [np.float16(0.6), np.float16(0.8)]]
    assert (found.norms.tolist(), found.signatures.tolist()) == ([5, 2], [0, 2**64 - 1])
    assert (found.grey[:, 3, 4].tolist(), found.colours[:, 3, 4, 1].tolist()) == ([10, 200], [10, 200])
    assert [note.text for note in found.notes] == ["backbone lite0"]


def test_scans_of_format_1_are_read() -> None:
    found = read_scans(RELEASED)
    assert (found.pixel_hash("0" * 64), found.pixel_hash("f" * 64)) == ("ab" * 16, "cd" * 16)
    assert found.sizes.tolist() == [[40, 30], [2, 1]]
    np.testing.assert_array_equal(found.qualities, np.array([[0, 1, 2, 3, 4], [5, 6, np.nan, 7, 8]], np.float32))
