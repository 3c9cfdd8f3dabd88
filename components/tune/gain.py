"""The gain of a search: what the best settings' model gains over that of the settings as they are, on the validation images."""

from pathlib import Path

from components.tune.config import TuneConfig
from darkroom import groups
from darkroom.comparison import Difference
from darkroom.evaluation import Predictions
from darkroom.images import Images
from darkroom.manifest import Manifest
from darkroom.metrics.intervals import RESAMPLED
from darkroom.metrics.paired_comparison import differences
from darkroom.model import Predictor, labels_of


def gain_of(rows: Manifest, source: Images, best: Path, as_they_are: Path, monitor: str, config: TuneConfig) -> Difference | None:
    """Compares two models on the same validation images.

    Args:
        rows: The validation images.
        source: Their files.
        best: The folder of the best settings' model.
        as_they_are: That of the other.
        monitor: The measure that is compared; of a loss, which has no interval, `f1_macro` in its place.
        config: Resampled sets and their seed.

    Returns:
        The difference; none where the measure is not defined on these images.
    """
    measure = monitor if monitor in RESAMPLED else "f1_macro"
    answers = [_answers(rows, source, folder) for folder in (best, as_they_are)]
    found = differences(answers[0], answers[1], [measure], num_resamples=config.num_resamples, seed=config.seed)
    return found.get(measure)


def _answers(rows: Manifest, source: Images, folder: Path) -> Predictions:
    """What a model answers for each row."""
    predictor, names = Predictor(folder), rows.column("image_id")
    y_score = predictor.predict(source[name] for name in names)
    units = groups.independent_units(groups.grouping_columns(rows))
    paths = tuple(rows.column("path"))
    return Predictions(tuple(names), paths, rows.classes, rows.task, rows.targets(), labels_of(predictor.card, y_score), y_score, units)
