import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components import STEPS
from components.train.config import TrainConfig
from darkroom.runtime.step import config_of
from darkroom.system.config import dump
from darkroom.system.errors import InputError
from darkroom.tracking.log import set_run_tags
from darkroom.tracking.runs import start_run
from darkroom.tracking.tags import DISK
from darkroom.training.frozen_trunk import trunk_facts
from darkroom.training.kept_views import BYTES
from pipelines.platform import PlatformConfig
from pipelines.run import disk
from pipelines.run.disk import WEIGHTS_BYTES, Need, check_free, estimate, free_bytes

VERSION = "a" * 32
PLATFORM = PlatformConfig()


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos" / "cat"
    folder.mkdir(parents=True)
    for number in range(4):
        (folder / f"{number}.jpg").write_bytes(b"x" * 1_000_000)
    return folder.parent


def settings(**sections: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step: dump(config_of(step, sections.get(step, {}))) for step in STEPS}


def test_a_first_run_is_estimated_from_its_source(mlflow_store: Path, data: Path) -> None:
    need = estimate(data, VERSION, settings(), PLATFORM)
    assert need.parts["images"] == 4_000_000 + 4 * 250
    assert need.parts["models"] == 12 * WEIGHTS_BYTES["auto"]
    assert (need.parts["copies"], need.parts["reports"], need.parts["vectors"]) == (16 * 40_000, 6_000_000, 4 * 12_000)
    assert need.basis == "estimated from 4 files of 4.0 MB"
    large = estimate(data, VERSION, settings(train={"model": "resnet18", "side_px": 16}), PLATFORM)
    assert large.parts["models"] == 12 * 4 * 11_689_512  # parameters of a ResNet-18 for 1,000 classes


def test_what_a_run_takes_is_the_users_to_say(mlflow_store: Path, data: Path) -> None:
    given = {"disk_row_bytes": 0, "disk_vector_bytes": 0, "disk_copy_bytes": 1, "disk_model_factor": 0.5, "disk_report_bytes": 7}
    need = estimate(data, VERSION, settings(), PlatformConfig(**given))  # type: ignore[arg-type]
    assert need.parts == {"images": 4_000_000, "copies": 16, "models": 9_500_000, "reports": 7}
    (data.parent / "photos.zip").write_bytes(b"x" * 1000)
    need = estimate(data.parent / "photos.zip", VERSION, settings(), PlatformConfig(disk_archived_bytes=100))
    assert need.basis.startswith("estimated from 11 files of")


def test_data_beside_the_runs_own_counts_where_it_is_read(mlflow_store: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "0.jpg").write_bytes(b"x" * 3_000_000)
    pool, alone = str(tmp_path / "pool"), estimate(data, VERSION, settings(), PLATFORM)
    need = estimate(data, VERSION, settings(pretrain={"enabled": True, "data": pool}), PLATFORM)
    assert need.parts == {**alone.parts, "further images": 3_000_000 + 250}
    need = estimate(data, VERSION, settings(evaluate={"data": pool}), PLATFORM)
    assert need.parts == {**alone.parts, "further images": 3_000_000 + 250, "vectors": 5 * 12_000}
    assert estimate(data, VERSION, settings(pretrain={"data": pool}), PLATFORM) == alone  # pretrain is off


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ({}, {"decoded pixels": 40_000 * 3 * 256**2, "kept views": 4096 * 2**20}),
        ({"model": "small_cnn"}, {"decoded pixels": 40_000 * 3 * 160**2}),
        ({"model": "lite2", "side_px": 64, "kept_views": 8}, {"kept views": 40_000 * 8 * 2 * 0.46875 * 64**2}),
        ({"model": "resnet18", "side_px": 128}, {"decoded pixels": 40_000 * 3 * 128**2}),
        ({"model": "probe"}, {}),
        ({"side_px": 32}, {}),
    ],
)
def test_decoded_images_and_views_count_where_training_writes_them(
    mlflow_store: Path, data: Path, monkeypatch: pytest.MonkeyPatch, train: dict[str, Any], expected: dict[str, float]
) -> None:
    assert estimate(data, VERSION, settings(), PLATFORM).at_most == {}
    monkeypatch.setattr(disk, "_count", lambda source, archived_bytes: (40_000, 10**9))
    assert estimate(data, VERSION, settings(train=train), PLATFORM).at_most == expected


def test_a_kept_view_takes_as_much_as_frozen_layers_make() -> None:
    made = [trunk_facts(name, TrainConfig().auto_frozen_share).num_features for name in ("tf_efficientnet_lite0", "tf_efficientnet_lite2")]
    assert BYTES * max(made) == disk.VIEW_BYTES


def test_what_an_earlier_run_of_the_same_data_took_counts_for_more(mlflow_store: Path, data: Path) -> None:
    run_id = start_run("photos", "", settings(), {}, str(data), VERSION)
    set_run_tags(run_id, {DISK: json.dumps({"ingest": 123_000, "augment": 45_000})})
    need = estimate(data, VERSION, settings(), PLATFORM)
    assert (need.parts["images"], need.parts["copies"], need.basis) == (123_000, 45_000, "as earlier runs of this data took")
    other = estimate(data, VERSION, settings(augment={"max_copies": 0}), PLATFORM)
    assert "copies" not in other.parts
    (Path("runs") / run_id / "artifacts" / "pipeline-1" / "ingest-component").mkdir(parents=True)
    assert "images" not in estimate(data, VERSION, settings(), PLATFORM).parts  # still here: the cache answers
    assert estimate(data, "b" * 32, settings(), PLATFORM).parts["images"] > 4_000_000


def test_too_little_disk_is_one_sentence_and_little_a_warning(tmp_path: Path) -> None:
    need = Need({"images": 3_000_000_000, "models": 1_000_000_000}, "estimated from 9 files of 3.0 GB")
    with pytest.raises(InputError) as caught:
        check_free(need, 2_500_000_000, Path("runs"), 1.25)
    assert str(caught.value) == (
        "the run needs about 4.0 GB of disk (images 3.0 GB, models 1.0 GB; estimated from 9 files of 3.0 GB), and 2.5 GB are free "
        "under runs: free some, for example with `darkroom gc`"
    )
    assert check_free(need, 4_500_000_000, Path("runs"), 1.25).endswith("that is close")
    assert check_free(need, 9_000_000_000, Path("runs"), 1.25) == ""
    more = replace(need, at_most={"decoded pixels": 6_000_000_000})
    assert check_free(more, 11_000_000_000, Path("runs"), 1.25) == ""
    warned = check_free(more, 9_000_000_000, Path("runs"), 1.25)
    assert warned.endswith("9.0 GB are free under runs; training writes up to 6.0 GB more (decoded pixels 6.0 GB): that is close")
    assert free_bytes(tmp_path / "not" / "there") > 0
