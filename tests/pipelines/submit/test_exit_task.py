"""The last task of a run on Kubeflow, in kfp's own runtime: it runs however the steps before it ended."""

from pathlib import Path

import pytest
from kfp import dsl, local
from kfp.dsl import Dataset, Output

from pipelines.submit.exit_task import ending_component


@dsl.component(base_image="python", install_kfp_package=False)
def make_component(numbers: Output[Dataset], fail: bool):
    from pathlib import Path

    if fail:
        raise ZeroDivisionError("the count is 0")
    Path(numbers.path).write_text("1")


@dsl.pipeline(name="sums")
def sums(fail: bool) -> None:
    ending = ending_component(name="toys", run=dsl.PIPELINE_JOB_ID_PLACEHOLDER, endpoint="https://kubeflow.example.org")
    with dsl.ExitHandler(ending):
        make_component(fail=fail)


def test_the_last_task_reports_whatever_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "DARKROOM_KUBEFLOW_RUN"):
        monkeypatch.delenv(name, raising=False)
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path), enable_caching=False)
    sums(fail=False)
    assert "toys: succeeded\n" in capfd.readouterr().out
    with pytest.raises(RuntimeError, match="make-component"):
        sums(fail=True)
    printed = capfd.readouterr().out
    assert "toys: failed: " in printed
    assert "https://kubeflow.example.org/#/runs/details/" in printed
