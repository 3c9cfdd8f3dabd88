"""The study: Optuna's record of a search, from which it resumes after a kill, and which several processes may share."""

import contextlib
import hashlib
import json
import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from components.tune.config import TuneConfig
from components.tune.space import Choices, Parameter, check_cluster, grid_of
from darkroom.system.errors import InputError
from darkroom.system.processes import is_dead, owner_tags
from darkroom.versions.code import code_version

JOURNAL = "trials.log"  # in the checkpoints
AS_THEY_ARE = 0  # number of the trial that has the settings as they are
SURPLUS = "surplus"  # attribute of a trial that two processes took at once where one was left, and that is not run
OWNER, SEEN, REASON = "owner", "seen", "reason"  # attributes: the process that runs a trial, its last sign (s since 1970), why it ended
_WAITS_S = (0.5, 1.0, 2.0)  # before a database is tried again, in which another process may be making the tables
_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def open_study(config: TuneConfig, name: str, folder: Path) -> optuna.Study:
    """The study of a search, a new one where the storage has none of this name.

    Args:
        config: Where it is kept, and how trials are pruned.
        name: Tells it from other searches in the same storage, see `study_name`.
        folder: Of the checkpoints.

    Raises:
        InputError: The storage can't be used.
    """
    check_cluster(config.storage, config.num_workers)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    pruner = (
        optuna.pruners.MedianPruner(config.pruner_startup_trials, config.pruner_warmup_epochs + 1)  # which counts from 0
        if config.prunes
        else optuna.pruners.NopPruner()
    )
    with _errors_told(config.storage):
        return optuna.create_study(
            storage=_storage(config.storage, folder),
            study_name=name,
            sampler=optuna.samplers.RandomSampler(),  # `values_of` chooses another for each trial
            pruner=pruner,
            direction="maximize",
            load_if_exists=True,
        )


def study_name(contents: Mapping[str, Path], meaning: Any) -> str:
    """Names a study by what its trials have in common, so that only trials that can be compared stand in one.

    Args:
        contents: Files and folders that decide a trial's result, by any names. Of an Arrow file its size and its beginning count, with
            what its metadata say; its images are named in the manifest.
        meaning: Plain values that do.
    """
    digest = hashlib.sha256(json.dumps([meaning, code_version("tune")], sort_keys=True).encode())
    for name, path in sorted(contents.items()):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            content = file.read_bytes() if file.suffix != ".arrow" else f"{file.stat().st_size}".encode() + _beginning(file)
            digest.update(f"\0{name}/{file.name}\0".encode() + hashlib.sha256(content).digest())
    return f"darkroom-{digest.hexdigest()[:20]}"


def next_trial(study: optuna.Study, config: TuneConfig, space: Mapping[str, Parameter]) -> optuna.Trial | None:
    """The trial that is to be run next: one that a killed process left, else a new one; none where there are enough."""
    trials = _wanted(study.get_trials(deepcopy=False))
    for left in trials:
        if left.state is TrialState.RUNNING and _is_abandoned(left, config):
            print(f"trial {left.number} was left by a process that was killed: it is taken again", flush=True)
            return _taken(study, optuna.Trial(study, left._trial_id))
    if len(trials) >= config.num_trials or _is_exhausted(study, config, space):
        return None
    trial = _taken(study, study.ask())  # a new one: two processes may take one that waits in SQLite
    before = [one for one in _wanted(study.get_trials(deepcopy=False)) if one.number < trial.number]
    if len(before) < config.num_trials:
        return trial
    trial.set_user_attr(SURPLUS, True)
    finish(study, trial, TrialState.FAIL)
    return None


def values_of(study: optuna.Study, trial: optuna.Trial, config: TuneConfig, space: Mapping[str, Parameter]) -> dict[str, Any]:
    """What a trial has instead of the settings as they are, nothing for the first; the same again for one that is taken again."""
    if trial.number == AS_THEY_ARE:
        return {}
    study.sampler = _sampler(config, space, trial.number)
    study.sampler.before_trial(study, study.get_trials(deepcopy=False)[trial.number])  # where a grid chooses
    return {name: _suggest(trial, name, parameter) for name, parameter in space.items()}


def twin_of(study: optuna.Study, values: Mapping[str, Any]) -> FrozenTrial | None:
    """The first trial that has ended with the same settings, whose result another training would repeat; or nothing."""
    ended = (trial for trial in finished(study) if trial.state is not TrialState.FAIL)
    return next((trial for trial in ended if values and trial.params == values), None)


def finish(study: optuna.Study, trial: optuna.Trial, state: TrialState, score: float | None = None, reason: str = "") -> None:
    """Ends a trial; one that another process has ended meanwhile stays as it is."""
    study.sampler = optuna.samplers.RandomSampler()  # a grid's would stop the study, which only Optuna's own loop knows
    if reason:
        trial.set_user_attr(REASON, reason)
    study.tell(trial, score, state, skip_if_finished=True)


def has_begun(study: optuna.Study) -> bool:
    """Whether a study has its first trial, the one with the settings as they are."""
    return bool(study.get_trials(deepcopy=False))


def is_running(study: optuna.Study) -> bool:
    """Whether a trial is being run, by whichever process."""
    return bool(study.get_trials(deepcopy=False, states=[TrialState.RUNNING]))


def give_sign(trial: optuna.Trial) -> None:
    """Notes that a trial's process was alive now."""
    trial.set_user_attr(SEEN, time.time())


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that have ended, by their numbers."""
    return _wanted(study.get_trials(deepcopy=False, states=_FINISHED))


def _wanted(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in trials if SURPLUS not in trial.user_attrs]


def importances(study: optuna.Study, seed: int) -> dict[str, float]:
    """Each setting's share of what the score of complete trials varied with, the largest first; empty where too few tell it.

    Source: Hutter et al. 2014, An efficient approach for assessing hyperparameter importance (fANOVA).
    """
    complete = [trial for trial in study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]) if trial.params]
    names = {name for trial in complete for name in trial.params if len({str(other.params[name]) for other in complete}) > 1}
    if len(complete) < 4 or not names or len({trial.value for trial in complete}) < 2:
        return {}
    compared = optuna.create_study(direction="maximize")
    compared.add_trials(complete)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    found = optuna.importance.get_param_importances(compared, evaluator=evaluator, params=sorted(names))
    return {name: round(float(value), 6) for name, value in found.items()}


@contextlib.contextmanager
def _errors_told(address: str) -> Iterator[None]:
    """Turns the errors of a storage that can't be used into an `InputError`."""
    try:
        yield
    except ImportError as error:
        missing = error.name or "a driver"
        raise InputError(f"tune.storage is {address}, which needs the package {missing}: `pip install psycopg2-binary`") from None
    except (SQLAlchemyError, OSError) as error:
        reason = " ".join(str(error.__cause__ or error).split())[:200]
        raise InputError(f"tune.storage is {address}, which can't be used ({reason}): correct it, or leave it empty") from None


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(65_536)


def _storage(address: str, folder: Path) -> BaseStorage:
    if "://" not in address:
        path = Path(address) if address else folder / JOURNAL
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(path)))
    for wait_s in _WAITS_S:
        with contextlib.suppress(SQLAlchemyError):
            return RDBStorage(address)
        time.sleep(wait_s)
    return RDBStorage(address)


def _is_abandoned(trial: FrozenTrial, config: TuneConfig) -> bool:
    """Whether the process that runs a trial was killed. The checkpoints are this process's alone, so what runs there does not."""
    owner = trial.user_attrs.get(OWNER, {})
    begun = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
    silent = time.time() - float(trial.user_attrs.get(SEEN, begun)) > 60 * config.abandoned_min
    return not config.storage or silent or is_dead(owner)


def _taken(study: optuna.Study, trial: optuna.Trial) -> optuna.Trial:
    """A trial that from now on is this process's."""
    trial.set_user_attr(OWNER, owner_tags())
    give_sign(trial)
    return trial


def _sampler(config: TuneConfig, space: Mapping[str, Parameter], number: int) -> optuna.samplers.BaseSampler:
    """The sampler of one trial: its seed has the trial's number in it, so that a resumed search goes on as it would have."""
    seed = int.from_bytes(hashlib.sha256(f"{config.seed} {number}".encode()).digest()[:4], "big")
    if config.sampler == "grid":
        return _grid_sampler(config, space)
    return optuna.samplers.TPESampler(seed=seed) if config.sampler == "tpe" else optuna.samplers.RandomSampler(seed)


def _grid_sampler(config: TuneConfig, space: Mapping[str, Parameter]) -> optuna.samplers.GridSampler:
    return optuna.samplers.GridSampler(grid_of(space), seed=config.seed)


def _is_exhausted(study: optuna.Study, config: TuneConfig, space: Mapping[str, Parameter]) -> bool:
    """Whether a grid has no combination left."""
    return config.sampler == "grid" and _grid_sampler(config, space).is_exhausted(study)


def _suggest(trial: optuna.Trial, name: str, parameter: Parameter) -> Any:
    if isinstance(parameter, Choices):
        return trial.suggest_categorical(name, parameter.values)
    if parameter.is_integer:
        return trial.suggest_int(name, int(parameter.low), int(parameter.high), step=int(parameter.step or 1), log=parameter.log)
    return trial.suggest_float(name, parameter.low, parameter.high, step=parameter.step, log=parameter.log)
