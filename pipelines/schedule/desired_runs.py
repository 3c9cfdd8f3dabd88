"""From schedules to Kubeflow: the server, and the recurring run that each schedule becomes there."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from darkroom.system.config import dump
from darkroom.system.errors import InputError
from pipelines.params import model_name, read_settings
from pipelines.platform import PlatformConfig
from pipelines.retrain.retrain import read_retrain
from pipelines.retraining import WANTED, retraining
from pipelines.schedule.apply import DesiredRun, RecurringRuns
from pipelines.schedule.schedules import Schedule
from pipelines.submit.compile import compile_pipeline, default_arguments, spread_of
from pipelines.submit.follow import check_cluster_source
from pipelines.submit.kubeflow_client import Cluster


@contextlib.contextmanager
def recurring_runs(platform: PlatformConfig) -> Iterator[RecurringRuns]:
    """This project's recurring runs on the Kubeflow that `platform.endpoint` names.

    Raises:
        InputError: Nobody answers there, or refuses.
    """
    from kfp_server_api.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        with contextlib.redirect_stdout(sys.stderr):  # kfp prints links; standard output is for results
            yield RecurringRuns(Cluster(platform).kfp, platform.experiment or Path.cwd().name, platform.namespace)
    except (ApiException, HTTPError, OSError) as error:
        reason = f"HTTP {error.status}: {error.reason}" if isinstance(error, ApiException) else type(error).__name__
        raise InputError(f"Kubeflow at platform.endpoint={platform.endpoint} can't be used ({reason})") from None


def desired_runs(schedules: list[Schedule], params: Path, folder: Path) -> list[DesiredRun]:
    """The recurring runs that the schedules become on Kubeflow.

    Args:
        schedules: The schedules.
        params: The file of settings.
        folder: Where the pipeline is compiled to.

    Raises:
        InputError: A setting is wrong, the platform names no image, or a cluster can't read the data.
    """
    found = []
    for schedule in schedules:
        config = schedule.config
        settings, platform = read_settings(schedule.overrides, params)
        source = check_cluster_source(Path(config.data))
        package = folder / f"{config.name}.yaml"
        compile_pipeline(package, platform, {}, retraining, spread=spread_of(settings))
        name = model_name(settings, source)
        arguments: dict[str, Any] = {
            **{key: value for key, value in default_arguments(settings, platform).items() if key in WANTED},
            "data": config.data,
            "name": name,
            "retrain": dump(read_retrain(schedule.overrides, params, config.window)),
            "force": config.run == "run",
        }
        found.append(DesiredRun(schedule, platform.experiment or name, package, arguments))
    return found
