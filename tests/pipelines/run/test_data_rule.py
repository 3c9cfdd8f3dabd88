"""The first run whose data has a version by the rule of this release says so; one whose data has changed does not."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from darkroom.tracking.tags import DATA_RULE, DATA_VERSION, DVC_MD5, FILES_READ
from darkroom.versions.data_version import data_version, dvc_md5
from pipelines.history import Record
from pipelines.plan import Plan
from pipelines.platform import read_platform
from pipelines.run.data_rule import changed_rule, kept_in_dvc


def run_of(source: Path | str, version: str, **tags: str) -> Record:
    now = datetime.now(UTC)
    return Record("a" * 32, "a", "shapes", "finished", now, now, {}, {}, {DATA_VERSION: version, **tags}, str(source))


def plan_of(source: Path) -> Plan:
    return Plan(source, data_version(source), "shapes", {}, read_platform({}))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("cat/1.png", "dog/2.png", "labels.csv"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text(name)
    return tmp_path / "data"


def with_a_readme(data: Path) -> Path:
    (data / "README.md").write_text("about")
    return data


def a_table(data: Path) -> Path:
    return data / "labels.csv"


def of_links(data: Path) -> Path:
    linked = data.parent / "linked"
    linked.mkdir()
    for name in ("cat", "dog"):
        (linked / name).symlink_to(data / name)
    return linked


@pytest.mark.parametrize("form", [with_a_readme, a_table, of_links], ids=lambda form: form.__name__)
def test_unchanged_data_of_another_version_is_explained_once(data: Path, form: Callable[[Path], Path]) -> None:
    source = form(data)
    plan = plan_of(source)
    before = dvc_md5(source)
    assert {plan.version[:12], before[:12], "aaaaaaaa"} <= set(
        changed_rule(plan, run_of(source, before)).replace("(", " ").replace(")", " ").split()
    )
    assert changed_rule(plan, run_of(source, before, **{DATA_RULE: FILES_READ})) == ""  # then it is the data that has changed
    assert changed_rule(plan, run_of(source, "b" * 32 + ".dir")) == ""
    assert changed_rule(plan, run_of(data.parent, before)) == ""
    assert changed_rule(plan, None) == ""


def test_an_address_with_dots_had_another_version(data: Path) -> None:
    assert "aaaaaaaa" in changed_rule(plan_of(data), run_of(f"{data}/../data", "b" * 32 + ".dir"))


def test_what_dvc_keeps_under_another_name_is_found_again(data: Path) -> None:
    plan = plan_of(with_a_readme(data))
    assert kept_in_dvc(plan) == {}
    (data.parent / "data.dvc").write_text(yaml.safe_dump({"outs": [{"md5": dvc_md5(data), "path": "data"}]}))
    assert kept_in_dvc(plan) == {DVC_MD5: dvc_md5(data)}
    (data / "README.md").unlink()
    (data.parent / "data.dvc").write_text(yaml.safe_dump({"outs": [{"md5": dvc_md5(data), "path": "data"}]}))
    assert kept_in_dvc(plan_of(data)) == {}
