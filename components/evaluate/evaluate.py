"""Evaluates a model, full or pruned, on images that it was not trained on."""

from pathlib import Path
from typing import Any

import numpy as np

from components.evaluate.config import EvaluateConfig
from components.evaluate.dvc_plots import plots
from components.evaluate.evaluation_set import evaluation_rows, held_out_rows, num_trained_on
from components.evaluate.figures import draw
from components.evaluate.leaked import draw_pairs, measure_without, tell_leaks
from components.evaluate.mistakes import mistakes
from darkroom import evaluation as noun
from darkroom import manifest as manifests
from darkroom.evaluation import Predictions, write_predictions
from darkroom.images import Images
from darkroom.leaks import read_leaks
from darkroom.manifest import Manifest
from darkroom.metrics.calibration import Calibration, calibration
from darkroom.metrics.footprint import footprint
from darkroom.metrics.intervals import intervals
from darkroom.metrics.measures import class_measures
from darkroom.model import Predictor, labels_of
from darkroom.notes import Note, tell
from darkroom.pixels import pixels
from darkroom.system.errors import InputError
from darkroom.system.files import whole
from darkroom.system.parallel import ordered
from darkroom.units import renumbered


def evaluate(
    images: Path,
    splits: Path,
    model: Path,
    evaluation: Path,
    *,
    config: EvaluateConfig,
    evaluation_images: Path | None = None,
    evaluation_cleaned: Path | None = None,
    leaks: Path | None = None,
) -> dict[str, float]:
    """Evaluates a model on the test images, or on those of the frozen evaluation set that `config.data` names.

    Args:
        images: Packed images, see `darkroom.images`.
        splits: Manifest with a `split` column; the rows in `test` count.
        model: A model's folder, see `darkroom.model`.
        evaluation: Where the evaluation is written, see `darkroom.evaluation`.
        config: What is scored, batch size, intervals and mistakes.
        evaluation_images: Packed images of the frozen evaluation set, or none.
        evaluation_cleaned: What `clean` kept of it, or none.
        leaks: What leaks from training into the images, see `darkroom.leaks`, or none.

    Returns:
        The headline measures, see `darkroom.metrics.measures.measures`, with `expected_calibration_error` and `num_images`; of a
        frozen evaluation set also `num_trained_on`; and what the model costs on this machine, see `darkroom.metrics.footprint`.

    Raises:
        InputError: No image is in the test split, the evaluation set does not fit, or the model was made for other classes or
            another task.
    """
    costs = footprint(model)
    manifest, predictor = manifests.read(splits), Predictor(model, config.threads())
    frozen = bool(config.data)
    test = evaluation_rows(evaluation_cleaned, manifest, config) if frozen else held_out_rows(manifest)
    packed = Images(evaluation_images if frozen and evaluation_images else images)
    _check(test, predictor)
    predictions = predict(test, packed, predictor, config)
    found = calibration(predictions)
    headline = {**predictions.measures(), "expected_calibration_error": found.error, "num_images": float(len(predictions))}
    if frozen:
        headline["num_trained_on"] = float(num_trained_on(test, manifest))
    leaking = read_leaks(leaks) if leaks else None
    leaked = {noun.LEAKS: measure_without(predictions, leaking)} if leaking else {}
    with whole(evaluation) as draft:
        draft.mkdir()
        _write(draft, predictions, headline, {**leaked, "calibration": found.table()}, found, config)
        noun.write_notes(draft, (*_tell(headline), *(tell_leaks(headline, leaked[noun.LEAKS], leaking) if leaking else ())))
        if leaking:
            draw_pairs(draft / noun.LEAKS, leaking, Images(images, *([evaluation_images] if evaluation_images else [])), config.num_leaks)
        mistakes(draft / noun.MISTAKES, predictions, packed, config.num_mistakes)
    print(f"{len(predictions)} images  accuracy {headline['accuracy']:.4f}  f1_macro {headline['f1_macro']:.4f}", flush=True)
    return {**headline, **costs}


def _write(
    folder: Path, predictions: Predictions, headline: dict[str, float], details: dict[str, Any], found: Calibration, config: EvaluateConfig
) -> None:
    """Writes all of an evaluation but its pictures of images into a folder."""
    write_predictions(folder / noun.PREDICTIONS, predictions)
    noun.write_metrics(folder, {**headline, **_details(predictions, config), **details})
    draw(folder / noun.FIGURES, predictions, found)
    plots(folder / noun.PLOTS, predictions)


def _tell(headline: dict[str, float]) -> tuple[Note, ...]:
    """What is said of a frozen evaluation set, where there is one."""
    if "num_trained_on" not in headline:
        return ()
    known = f"{headline['num_trained_on']:,.0f} images of evaluate.data were trained on as well, and make the model look better than it is"
    source = f"evaluated on the {headline['num_images']:,.0f} images of evaluate.data, not on the test split"
    return tell("evaluate", [source], [known] if headline["num_trained_on"] else [])


def _check(test: Manifest, predictor: Predictor) -> None:
    if not len(test):
        raise InputError("no image is in the test split, so nothing can be evaluated: give more images, or raise split.test_fraction")
    card = predictor.card
    if (card.classes, card.task) != (test.classes, test.task):
        raise InputError(
            f"the model predicts {card.task} with {', '.join(card.classes)}, but the images are labelled {test.task} with "
            f"{', '.join(test.classes)}: train on the same data"
        )


def predict(test: Manifest, packed: Images, predictor: Predictor, config: EvaluateConfig) -> Predictions:
    """A model's predictions for every row of a manifest, in its order.

    Args:
        test: The rows, with their `unit`.
        packed: Their files.
        predictor: The model.
        config: Batch size and threads.
    """
    names, card = test.column("image_id"), predictor.card
    decoded = ordered(lambda name: pixels(packed[name], card.recipe), names, config.threads(), config.batch_size)
    parts = []
    for start in range(0, len(names), config.batch_size):
        batch = np.stack([next(decoded) for _ in names[start : start + config.batch_size]])
        parts.append(predictor.probabilities(batch))
        print(f"scored {start + len(batch)}/{len(names)} images", flush=True)
    y_score = np.concatenate(parts)
    return Predictions(
        tuple(names),
        tuple(test.column("path")),
        test.classes,
        test.task,
        test.targets(),
        labels_of(card, y_score),
        y_score,
        renumbered(np.array(test.column("unit"))),
        test.user_columns,
    )


def _details(predictions: Predictions, config: EvaluateConfig) -> dict[str, Any]:
    each = class_measures(predictions.y_true, predictions.y_score, predictions.y_pred, predictions.classes)
    return {"classes": each, "intervals": intervals(predictions, config.num_resamples, config.seed)}
