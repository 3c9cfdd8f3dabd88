from pathlib import Path

import pytest
import yaml

from components import STEPS
from darkroom.system.errors import InputError
from darkroom.versions.code import code_version
from darkroom.versions.data_version import data_version
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
    assert written == {"data": data_version(data), "evaluation": "", **{step: code_version(step) for step in DVC_STEPS}}


def test_data_that_is_not_the_recorded_version_stops_dvc(data: Path, tmp_path: Path) -> None:
    record = "outs:\n- md5: 00000000000000000000000000000000.dir\n  path: data\n"
    (tmp_path / "data.dvc").write_text(record)
    with pytest.raises(InputError, match=r"differs from data\.dvc .* run `dvc add "):
        write_versions(data, tmp_path / "versions")
    assert not (tmp_path / "versions").exists()
    assert (tmp_path / "data.dvc").read_text() == record


def test_every_stage_depends_on_its_codes_version_and_its_settings() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for step in DVC_STEPS:
        stage = stages[step].get("do", stages[step])
        assert f"build/versions/{step}" in stage["deps"]
        assert stage["params"] == (list(STEPS) if step == "report" else [step])
