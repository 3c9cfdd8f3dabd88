"""The loop of trials: one training after another, each with other settings, until there are enough or the time is up."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from components.train.config import TrainConfig
from components.train.train import train
from components.tune import study as studies
from components.tune.config import TuneConfig
from components.tune.gain import gain_of
from components.tune.space import Parameter, parameters_of
from components.tune.trial_policy import trial_policy
from darkroom import manifest
from darkroom.augmentation import policy as policies
from darkroom.augmentation.policy import Policy
from darkroom.images import Images
from darkroom.manifest import Manifest
from darkroom.notes import tell
from darkroom.system.config import parse
from darkroom.system.errors import InputError
from darkroom.training.epochs import OnEpoch, nothing
from darkroom.training.hyperparameters import LOWER_IS_BETTER
from darkroom.training.validation import score
from darkroom.tuned import OnTrial, State, Trial, Tuned, settings_of, shown

_STATES: dict[TrialState, State] = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
_POLL_S = 5.0  # between two looks at what other workers do
_TIME_UP = "the time of tune.timeout_min was up"


@dataclass
class Search:
    """A search in progress.

    Attributes:
        inputs: What `train` takes, by its names for it.
        config: How is searched.
        settings: Those of `train` as they are, plain and complete.
        augment_settings: Those of `augment`.
        folder: Where unfinished work is kept, a folder a trial.
        on_trial: Is told of each trial that this process has ended.
        on_score: Is told the number of each, from 1, and its score.
    """

    inputs: Mapping[str, Path]
    config: TuneConfig
    settings: Mapping[str, Any]
    augment_settings: Mapping[str, Any]
    folder: Path
    on_trial: OnTrial
    on_score: Callable[[int, dict[str, float]], None]
    started: float = field(default_factory=time.monotonic)

    @property
    def monitor(self) -> str:
        """The measure by which trials are compared."""
        return str(self.settings["monitor"])

    @property
    def is_time_up(self) -> bool:
        """Whether the search has had the time that it was given."""
        return bool(self.config.timeout_min) and time.monotonic() - self.started > 60 * self.config.timeout_min

    def run(self) -> Tuned:
        """Runs trials until there are enough; the first worker then compares the best with the settings as they are.

        Returns:
            The result; that of another worker is empty.

        Raises:
            InputError: The settings as they are can't be trained with, there is no validation image, or the storage can't be used.
        """
        rows = manifest.read(self.inputs["examples"]).where("validation")
        if not len(rows):
            raise InputError("no image is in the validation split, by which settings are compared: raise split.validation_fraction")
        space = parameters_of(self.config.search)
        study = studies.open_study(self.config, self._name(), self.folder)
        try:
            self._run_trials(study, space)
        except KeyboardInterrupt:
            print(f"stopped after {len(studies.finished(study))} trials: the same command goes on from there", flush=True)
            raise
        return Tuned() if self.config.worker else self._result(study, rows)

    def _name(self) -> str:
        meaning = [dict(self.settings), dict(self.augment_settings), self.config.search]
        contents = {name: path for name, path in self.inputs.items() if name != "store"}  # which changes no result
        return studies.study_name(contents, meaning)

    def _run_trials(self, study: optuna.Study, space: Mapping[str, Parameter]) -> None:
        while not (self.is_time_up and studies.finished(study)):
            trial = studies.next_trial(study, self.config, space) if self._may_begin(study) else None
            if trial is None:
                if not self._waits(study):
                    return
                time.sleep(_POLL_S)
                continue
            self._run_trial(study, trial, studies.values_of(study, trial, self.config, space))
        print(f"{_TIME_UP}: the search ends with the trials that it has", flush=True)

    def _may_begin(self, study: optuna.Study) -> bool:
        """Whether a trial may be taken: the first is the one with the settings as they are, which worker 0 takes."""
        return not self.config.worker or studies.has_begun(study)

    def _waits(self, study: optuna.Study) -> bool:
        """Whether it waits where no trial is left for it: the first worker for the others' trials, the others until the first has begun."""
        if self.config.worker:
            return not studies.has_begun(study) and time.monotonic() - self.started < 60 * self.config.abandoned_min
        return self.config.num_workers > 1 and studies.is_running(study)

    def _run_trial(self, study: optuna.Study, trial: optuna.Trial, values: Mapping[str, Any]) -> None:
        """Trains with these settings and ends the trial: a mistake in a combination of settings ends only that one."""
        print(f"trial {trial.number}: {shown(values)}", flush=True)
        curve: list[dict[str, float]] = []
        if twin := studies.twin_of(study, values):
            value = twin.value if twin.state is TrialState.COMPLETE else None  # a pruned one's is only its last epoch's
            studies.finish(study, trial, twin.state, value, reason=f"it has the settings of trial {twin.number}")
            self._tell(study, trial.number, curve)
            return
        try:
            measures = self.train(trial.number, values, lambda epoch, row: self._watch(trial, epoch, row, curve))
        except optuna.TrialPruned as stop:
            studies.finish(study, trial, TrialState.PRUNED, reason=str(stop))
        except InputError as error:
            if not values:
                raise
            studies.finish(study, trial, TrialState.FAIL, reason=str(error))
        else:
            studies.finish(study, trial, TrialState.COMPLETE, score(measures, self.monitor))
        self._tell(study, trial.number, curve)

    def train(self, number: int, values: Mapping[str, Any], on_epoch: OnEpoch) -> dict[str, float]:
        """Trains as the step `train` does; the model is left in `model_of(number)`.

        Args:
            number: The trial's.
            values: Settings instead of those as they are, by `step.setting`.
            on_epoch: Called after each epoch with its number, from 1, and its row of the history.
        """
        folder = self.folder / f"trial-{number}"
        unfinished = folder / "checkpoints"
        unfinished.mkdir(parents=True, exist_ok=True)
        paths: dict[str, Any] = {**self.inputs, **{name: folder / name for name in ("policy", "model", "history", "learning_curves")}}
        self.policy_with(values).write(paths["policy"])
        config = parse(TrainConfig, "train", {**self.settings, **settings_of("train", values)})
        measures = train(
            **paths,
            config=config,
            checkpoints=unfinished,
            started=time.monotonic(),
            on_epoch=on_epoch,
            on_fold=nothing,
        )
        shutil.rmtree(unfinished)
        return measures

    def policy_with(self, values: Mapping[str, Any]) -> Policy:
        """What a training with these settings does on the fly; arguments as `train`."""
        return trial_policy(policies.read(self.inputs["policy"]), self.augment_settings, settings_of("augment", values))

    def model_of(self, number: int) -> Path:
        """Where a trial's model is, if this process, or one before it with these checkpoints, has trained it."""
        return self.folder / f"trial-{number}" / "model"

    def _watch(self, trial: optuna.Trial, epoch: int, row: dict[str, float], curve: list[dict[str, float]]) -> None:
        """Reports an epoch of a trial, and stops it where it is hopeless or the time is up; the first trial is always completed."""
        curve.append(row)
        studies.give_sign(trial)
        if epoch > len(trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values):  # not yet, before a kill
            trial.report(score(row, self.monitor), epoch)
        if trial.number == studies.AS_THEY_ARE:
            return
        if trial.should_prune():
            raise optuna.TrialPruned(f"worse than the median of the others in epoch {epoch}")
        if self.is_time_up:
            raise optuna.TrialPruned(f"{_TIME_UP} in epoch {epoch}")

    def _tell(self, study: optuna.Study, number: int, curve: list[dict[str, float]]) -> None:
        """Says how a trial ended, and keeps only the models that are compared in the end."""
        ended = trial_of(study.get_trials(deepcopy=False)[number], self.monitor)
        best = study.best_trial.number if any(trial.state is TrialState.COMPLETE for trial in studies.finished(study)) else 0
        said = f"{ended.state}, {ended.reason}" if ended.reason else ended.state
        value = "" if ended.score is None else f", {self.monitor} {ended.score:.4f}"
        print(
            f"trial {number}: {said}{value}; {len(studies.finished(study))}/{self.config.num_trials}, best so far: trial {best}", flush=True
        )
        for folder in self.folder.glob("trial-*"):
            if folder.name not in ("trial-0", f"trial-{best}"):
                shutil.rmtree(folder)
        self.on_trial(ended, curve)
        self.on_score(number + 1, {} if ended.score is None else {"score": ended.score})

    def _result(self, study: optuna.Study, rows: Manifest) -> Tuned:
        """What the trials say; the best and the first are compared by their models, of which one that is not here is trained again."""
        trials = tuple(trial_of(trial, self.monitor) for trial in studies.finished(study))
        if not any(trial.state == "complete" for trial in trials):
            raise InputError("no trial of the search is complete yet: wait for the other processes on tune.storage, then search again")
        best = study.best_trial.number
        settings = next(trial.settings for trial in trials if trial.number == best)
        for number, values in {0: {}, best: settings}.items():
            if settings and not self.model_of(number).is_dir():  # another process trained it
                print(f"trial {number} is trained again: its model is needed for the comparison", flush=True)
                self.train(number, values, lambda epoch, row: None)
        models = self.model_of(best), self.model_of(0)
        gain = gain_of(rows, Images(self.inputs["images"]), *models, self.monitor, self.config) if settings else None
        found = Tuned(self.monitor, trials, best if settings else 0, gain, len(rows), studies.importances(study, self.config.seed))
        return replace(found, notes=tell("tune", *_notes(found)))


def trial_of(trial: FrozenTrial, monitor: str) -> Trial:
    """A trial that has ended, with its score as a person reads it: a loss is better where it is lower."""
    values = list(trial.intermediate_values.values())
    found = trial.value if trial.state is TrialState.COMPLETE else values[-1] if values and trial.state is TrialState.PRUNED else None
    sign = -1 if monitor in LOWER_IS_BETTER else 1
    return Trial(
        number=trial.number,
        state=_STATES[trial.state],
        settings=dict(trial.params),
        score=None if found is None else sign * float(found),
        num_epochs=len(values),
        reason=str(trial.user_attrs.get(studies.REASON, "")),
    )


def _notes(found: Tuned) -> tuple[list[str], list[str]]:
    """What a search has to say, and what it warns of."""
    number = {state: sum(trial.state == state for trial in found.trials) for state in ("complete", "pruned", "failed")}
    counted = f"{len(found.trials)} trials, {number['pruned']} of them stopped early"
    warnings = [f"{number['failed']} trials failed, the first because {_first_failure(found)}"] if number["failed"] else []
    if not found.best:
        return [f"{counted}: none was better than the settings as they are"], warnings
    best = f"{counted}; trial {found.best_trial} is the best: {shown(found.best)}"
    if found.gain is None:
        return [best], warnings
    gain, measure = found.gain, found.gain.measure
    return [
        best,
        f"{measure} {gain.score:.4f} on {found.num_images:,} validation images, {gain.gain:+.4f} over the settings as they are "
        f"(95 %: {gain.low:+.4f} to {gain.high:+.4f}); chosen on the same images, so expect less on others",
    ], warnings


def _first_failure(found: Tuned) -> str:
    return next(trial.reason for trial in found.trials if trial.state == "failed")
