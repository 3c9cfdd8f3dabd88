"""The tuned settings: a JSON file with the trials of a search of settings, and which of them is the best.

The first trial has the settings as they are. Where nothing was searched the file has no trial.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from darkroom.comparison import Difference
from darkroom.notes import KEY as NOTES
from darkroom.notes import Note, from_plain, plain
from darkroom.system.files import read_json, write_json
from darkroom.system.formats import Format, record_from
from darkroom.training.hyperparameters import LOWER_IS_BETTER

State = Literal["complete", "pruned", "failed"]
_FORMAT = Format("result of a search")


@dataclass(frozen=True)
class Trial:
    """One training of a search.

    Attributes:
        number: From 0; that one has the settings as they are.
        state: `complete`; `pruned`, stopped before its end; or `failed`.
        settings: What it had instead, by `step.setting`.
        score: The monitored measure on the validation images: of the kept epoch, or of the last one of a pruned trial; none of a
            failed one.
        num_epochs: How many epochs it had.
        reason: Why it is not complete.
    """

    number: int
    state: State
    settings: Mapping[str, Any]
    score: float | None = None
    num_epochs: int = 0
    reason: str = ""


Curve = Sequence[Mapping[str, float]]
OnTrial = Callable[[Trial, Curve], None]


def ignore_trial(trial: Trial, curve: Curve) -> None:
    """Ignores a trial that has ended, and its epochs' measures."""


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Attributes:
        monitor: The measure, on the validation images, by which trials were compared.
        trials: Those that have ended, by their numbers; none where nothing was searched.
        best_trial: The number of the best complete one.
        gain: What its model gains over that of the settings as they are, on the validation images; none where these are the best.
        num_images: Validation images.
        importances: Each setting's share of what the score varied with, 0 to 1; empty where too few trials tell it.
        notes: What the search has to say.
    """

    monitor: str = ""
    trials: tuple[Trial, ...] = ()
    best_trial: int = 0
    gain: Difference | None = None
    num_images: int = 0
    importances: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @property
    def best(self) -> dict[str, Any]:
        """The best settings by `step.setting`; empty where nothing was searched or the settings as they are are the best."""
        return {name: value for trial in self.trials if trial.number == self.best_trial for name, value in trial.settings.items()}

    def in_order(self) -> list[Trial]:
        """The trials: the complete ones, the best first, then the pruned and the failed ones."""
        states, sign = ("complete", "pruned", "failed"), 1 if self.monitor in LOWER_IS_BETTER else -1
        return sorted(self.trials, key=lambda trial: (states.index(trial.state), sign * (trial.score or 0.0), trial.number))

    def settings_of(self, step: str) -> dict[str, Any]:
        """The best settings of one step, by their own names."""
        return settings_of(step, self.best)

    def told(self) -> list[str]:
        """What a step that takes the best settings says of it; nothing where it takes none."""
        return [f"trained with the settings of trial {self.best_trial} of the search: {shown(self.best)}"] if self.best else []

    def plain(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        return {
            **asdict(self),
            "trials": [asdict(trial) for trial in self.trials],
            "best": self.best,
            "gain": None if self.gain is None else {**asdict(self.gain), "gain": self.gain.gain},
            NOTES: plain(self.notes),
        }

    def write(self, path: Path) -> None:
        """Writes the file; equal results make equal bytes."""
        write_json(path, _FORMAT.stamp(self.plain()))


def settings_of(step: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those settings of several steps that are of one, by their own names."""
    return {name.partition(".")[2]: value for name, value in settings.items() if name.partition(".")[0] == step}


def shown(settings: Mapping[str, Any]) -> str:
    """Settings for a person, on one line."""
    texts = (f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in settings.items())
    return ", ".join(texts) or "the settings as they are"


def setting_of(name: str) -> str:
    """A setting's name in a table or a chart, where those of `train` need no step."""
    return name.removeprefix("train.").replace("_", " ")


def read_tuned(path: Path) -> Tuned:
    """Reads the file.

    Raises:
        InputError: A later version of Darkroom wrote it.
    """
    return read_plain(_FORMAT.upgrade(read_json(path), path))


def read_plain(values: Mapping[str, Any]) -> Tuned:
    """Makes a result from what `Tuned.plain` gave; names that it does not know are ignored."""
    gain = values.get("gain")
    parts = {
        "trials": tuple(record_from(Trial, row) for row in values.get("trials", ())),
        "gain": record_from(Difference, gain) if gain else None,
        NOTES: from_plain(values.get(NOTES)),
    }
    return record_from(Tuned, {**values, **parts})
