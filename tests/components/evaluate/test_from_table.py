"""The user's own columns go through every data step, from the table to the predictions."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.augment.augment import augment
from components.augment.config import AugmentConfig
from components.clean.clean import clean
from components.clean.config import CleanConfig
from components.evaluate.config import EvaluateConfig
from components.evaluate.evaluate import evaluate
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from components.split.config import SplitConfig
from components.split.split import split
from darkroom import manifest
from darkroom.evaluation import read_predictions
from tests.components.evaluate.conftest import CLASSES, encode

COUNTS = (10, 5, 5)
TYPES = {"age": pa.int64(), "user_width": pa.float64(), "seen": pa.date32(), "site": pa.string()}


def lay(folder: Path) -> Path:
    """A class is a colour; every file's age is its number, and the last file is a copy of the first."""
    folder.mkdir()
    lines = ["filename,label,age,width,seen,site"]
    numbers = [(number, name) for name, count in zip(CLASSES, COUNTS, strict=True) for number in range(count)]
    for age, (number, name) in enumerate([*numbers, (0, "red")]):
        (folder / f"{age:02d}.png").write_bytes(encode(name, number))
        lines.append(f"{age:02d}.png,{name},{age},{age}.5,2024-01-{age + 1:02d},{'' if age == 1 else '007'}")
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder


def ages(rows: manifest.Manifest) -> dict[str, int]:
    assert {field.name: field.type for field in rows.user_columns.schema} == TYPES
    return dict(zip(rows.column("path"), rows.column("age"), strict=True))


@pytest.mark.usefixtures("no_figures")
def test_columns_of_the_user_reach_the_predictions(write_model: Callable[..., Path], tmp_path: Path) -> None:
    def at(name: str) -> Path:
        return tmp_path / name

    ingest(lay(at("data")), at("images"), at("manifest"), config=IngestConfig())
    clean(at("images"), at("manifest"), at("cleaned"), at("issues"), config=CleanConfig())
    split(at("cleaned"), at("splits"), config=SplitConfig(test_fraction=0.4))
    config = AugmentConfig(target_share=1.0)
    augment(at("images"), at("splits"), at("augmented"), at("examples"), at("policy"), at("sheet"), config=config)
    evaluate(at("images"), at("splits"), write_model(("blue", "lime", "red")), at("evaluation"), config=EvaluateConfig(num_resamples=100))

    delivered = ages(manifest.read(at("manifest")))
    assert delivered == {f"{age:02d}.png": age for age in range(21)}
    kept = ages(manifest.read(at("splits")))
    assert kept == ages(manifest.read(at("cleaned"))) == {path: age for path, age in delivered.items() if path != "20.png"}
    examples = ages(manifest.read(at("examples")))
    assert len(examples) > len(kept)
    assert all(age == kept[path.split("/")[-1]] for path, age in examples.items())
    predictions = read_predictions(at("evaluation"))
    assert predictions.user_columns.schema.names == list(TYPES)
    assert predictions.user_columns["age"].to_pylist() == [kept[path] for path in predictions.paths]
    assert predictions.at(predictions.image_ids[:1]).user_columns["age"].to_pylist() == [kept[predictions.paths[0]]]
    assert all(manifest.is_reserved(name) for name in set(pq.read_schema(at("evaluation") / "predictions.parquet").names) - set(TYPES))
