from pathlib import Path

import pytest
import yaml

from components import STEPS
from darkroom.system.errors import InputError
from darkroom.versions.code import code_version
from darkroom.versions.data_version import data_version
from pipelines.training import FLOW
from pipelines.version.dvc_file import dvc_text
from pipelines.version.stages import write_versions

ROOT = Path(__file__).parents[3]
DVC_STEPS = [step for step in STEPS if step != "register"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data" / "a").mkdir(parents=True)
    (tmp_path / "data" / "a" / "one.txt").write_text("1")
    return tmp_path / "data"


def test_dvcs_stages_depend_on_the_versions_of_data_and_code(data: Path, tmp_path: Path) -> None:
    write_versions(data, tmp_path / "versions")
    written = {path.name: path.read_text().strip() for path in (tmp_path / "versions").iterdir()}
    of_data = {"data": data_version(data), "evaluation": "", "unlabelled": "", "verdicts": "", "embed_weights": "", "train_weights": ""}
    assert written == of_data | {step: code_version(step) for step in DVC_STEPS}


def test_data_that_is_not_the_recorded_version_stops_dvc(data: Path, tmp_path: Path) -> None:
    record = "outs:\n- md5: 00000000000000000000000000000000.dir\n  path: data\n"
    (tmp_path / "data.dvc").write_text(record)
    with pytest.raises(InputError, match=r"differs from data\.dvc .* run `dvc add "):
        write_versions(data, tmp_path / "versions")
    assert not (tmp_path / "versions").exists()
    assert (tmp_path / "data.dvc").read_text() == record


def test_dvc_yaml_is_what_make_stages_writes() -> None:
    assert (ROOT / "dvc.yaml").read_text() == dvc_text(), "run `make stages`"


def test_every_stage_depends_on_its_codes_version_its_settings_and_what_stages_before_it_made() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert list(stages) == ["versions", *(task.title for task in FLOW if task.step != "register")]
    made = {name for entry in stages.pop("versions")["outs"] for name in entry}
    for title, stage in stages.items():
        step = title.split("_")[0]
        assert f"build/versions/{step}" in stage["deps"]
        assert step in stage["params"]
        assert set(stage["deps"]) <= made
        made |= {name for kind in ("outs", "plots", "metrics") for entry in stage.get(kind, []) for name in entry}
    assert stages["report"]["params"] == list(STEPS)
    assert {"build/evaluate_pruned/evaluation", "build/evaluate_floor/evaluation"} <= set(stages["report"]["deps"])
    assert "build/versions/evaluation" in stages["ingest_evaluation"]["deps"]
    assert "build/versions/unlabelled" in stages["ingest_unlabelled"]["deps"]
    assert "train.model" in stages["pretrain"]["params"]
    assert "train" not in stages["pretrain"]["params"], "the epochs of train, for one, change nothing in it"
