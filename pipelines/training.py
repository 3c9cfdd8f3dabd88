"""The training pipeline, from top to bottom.

ingest -> clean -> split -> augment -> train -> evaluate -----------------> register -> report
                                         \\--> prune -> evaluate_pruned --/
"""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact, Metrics

from components.augment.component import augment_component
from components.clean.component import clean_component
from components.evaluate.component import evaluate_component
from components.ingest.component import ingest_component
from components.prune.component import prune_component
from components.register.component import register_component
from components.report.component import report_component
from components.split.component import split_component
from components.train.component import train_component
from darkroom.versions.code import code_version

TASKS = ("ingest", "clean", "split", "augment", "train", "evaluate", "prune", "evaluate_pruned", "register", "report")


class Outputs(NamedTuple):
    """What a run leaves: the outcome and the report, and what each task measured."""

    outcome: Artifact
    report: HTML
    ingest_metrics: Metrics
    clean_metrics: Metrics
    split_metrics: Metrics
    augment_metrics: Metrics
    train_metrics: Metrics
    evaluate_metrics: Metrics
    prune_metrics: Metrics
    evaluate_pruned_metrics: Metrics
    register_metrics: Metrics
    report_metrics: Metrics


@dsl.pipeline(name="darkroom-training", description="Labelled images in, a registered and explained image classifier out.")
def training(
    data: str,
    data_version: str,
    name: str,
    previous: str,
    ingest: dict,
    clean: dict,
    split: dict,
    augment: dict,
    train: dict,
    evaluate: dict,
    prune: dict,
    register: dict,
    report: dict,
    params: dict,
) -> Outputs:
    """Trains, compresses, judges and registers a classifier.

    Args:
        data: Where the images are.
        data_version: Hash of the data, so that other data is no cache hit.
        name: The model's name in the registry.
        previous: An earlier assignment to splits that is kept, or empty.
        ingest: Settings of the step, as in `params.yaml`; so the others.
        params: All settings, a section a step, as the run and the report show them.
    """
    ingested = ingest_component(data=data, data_version=data_version, config=ingest, code_version=code_version("ingest"))
    images = ingested.outputs["images"]
    cleaned = clean_component(images=images, manifest=ingested.outputs["manifest"], config=clean, code_version=code_version("clean"))
    parted = split_component(cleaned=cleaned.outputs["cleaned"], previous=previous, config=split, code_version=code_version("split"))
    splits = parted.outputs["splits"]
    augmented = augment_component(images=images, splits=splits, config=augment, code_version=code_version("augment"))
    examples = {output: augmented.outputs[output] for output in ("augmented_images", "examples", "policy")}
    trained = train_component(images=images, **examples, config=train, code_version=code_version("train"))
    model = trained.outputs["model"]
    judged = evaluate_component(images=images, splits=splits, model=model, config=evaluate, code_version=code_version("evaluate"))
    pruned = prune_component(images=images, **examples, model=model, config=prune, code_version=code_version("prune"))
    pruned_model = pruned.outputs["pruned_model"]
    judged_pruned = evaluate_component(
        images=images, splits=splits, model=pruned_model, config=evaluate, code_version=code_version("evaluate"), task="evaluate_pruned"
    ).set_display_name("evaluate_pruned")
    artifacts = {
        "model": model,
        "pruned_model": pruned_model,
        "evaluation": judged.outputs["evaluation"],
        "pruned_evaluation": judged_pruned.outputs["evaluation"],
        "splits": splits,
        "issues": cleaned.outputs["issues"],
        "contact_sheet": augmented.outputs["contact_sheet"],
        "history": trained.outputs["history"],
    }
    registered = register_component(
        **artifacts,
        name=name,
        params=params,
        previous=previous,
        config=register,
        code_version=code_version("register"),
    ).set_caching_options(False)  # what it does depends on the registry
    outcome = registered.outputs["outcome"]
    reported = report_component(
        **artifacts, outcome=outcome, params=params, config=report, code_version=code_version("report")
    ).set_caching_options(False)
    tasks = (ingested, cleaned, parted, augmented, trained, judged, pruned, judged_pruned, registered, reported)
    return Outputs(outcome, reported.outputs["report"], *(task.outputs["metrics"] for task in tasks))
