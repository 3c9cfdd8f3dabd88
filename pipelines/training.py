"""The training pipeline, from top to bottom.

ingest -> embed -> clean -> split -> augment -> pretrain -> tune -> train -> evaluate, evaluate_floor -> register -> report
                                                                      \\--> prune -> evaluate_pruned --/

A task takes what tasks above it made: an output's name is the name of the input that takes it. A frozen evaluation set
(`evaluate.data`) goes through `ingest_evaluation`, `embed_evaluation` and `clean_evaluation`; without one, they make empty artifacts.
`pretrain` learns only where `pretrain.enabled` is set, from the images without labels that `pretrain.data` names through
`ingest_unlabelled`, and `tune` searches only where `tune.enabled` is; else their results are empty. No list shows what is switched off.

On Kubeflow, `platform.num_parts` and `tune.num_workers` add tasks that share the work of `ingest`, `embed`, `augment` and `tune`,
see `pipelines.submit.several_workers`: they change neither this order nor what a step makes.
"""

from components.augment.component import augment_component
from components.clean.component import clean_component
from components.embed.component import embed_component
from components.evaluate.component import evaluate_component
from components.ingest.component import ingest_component
from components.pretrain.component import pretrain_component
from components.prune.component import prune_component
from components.register.component import register_component
from components.report.component import report_component
from components.split.component import split_component
from components.train.component import train_component
from components.tune.component import tune_component
from pipelines.flow import Task, build

FLOW = (
    Task(ingest_component),
    Task(embed_component),
    Task(clean_component),
    Task(
        ingest_component,
        "ingest_evaluation",
        {
            "data": "evaluation_data",
            "data_version": "evaluation_version",
            "images": "evaluation_images",
            "manifest": "evaluation_manifest",
        },
        settings="ingest_evaluation",
        needs="evaluation_data",
    ),
    Task(
        embed_component,
        "embed_evaluation",
        {"images": "evaluation_images", "embeddings": "evaluation_embeddings"},
        needs="evaluation_data",
    ),
    Task(
        clean_component,
        "clean_evaluation",
        {
            "images": "evaluation_images",
            "manifest": "evaluation_manifest",
            "embeddings": "evaluation_embeddings",
            "cleaned": "evaluation_cleaned",
            "issues": "evaluation_issues",
        },
        needs="evaluation_data",
    ),
    Task(
        ingest_component,
        "ingest_unlabelled",
        {
            "data": "unlabelled_data",
            "data_version": "unlabelled_version",
            "images": "unlabelled_images",
            "manifest": "unlabelled_manifest",
        },
        settings="ingest_unlabelled",
        needs="unlabelled_data",
        leaves_out=("verdicts", "verdicts_version"),
    ),
    Task(split_component),
    Task(augment_component),
    Task(pretrain_component),
    Task(tune_component, renames={"train_settings": "train", "augment_settings": "augment"}),
    Task(train_component, renames={"policy": "tuned_policy"}),
    Task(evaluate_component),
    Task(prune_component, renames={"policy": "tuned_policy"}),
    Task(evaluate_component, "evaluate_pruned", {"model": "pruned_model", "evaluation": "pruned_evaluation"}),
    Task(evaluate_component, "evaluate_floor", {"model": "floor_model", "evaluation": "floor_evaluation"}),
    Task(register_component, cached=False),  # what it does depends on the registry
    Task(report_component, cached=False),
)
TASKS = tuple(task.title for task in FLOW)

GIVEN = {
    "data": str,  # where the images are
    "data_version": str,  # hash of the data, so that other data is no cache hit
    "verdicts": str,  # file of people's verdicts beside those in the data, or empty
    "verdicts_version": str,  # hash of that file
    "evaluation_data": str,  # where the images of the frozen evaluation set are, or empty
    "evaluation_version": str,  # hash of that set
    "unlabelled_data": str,  # where the images without labels are that the network learns from first, or empty
    "unlabelled_version": str,  # hash of them
    "network": dict,  # settings of `train` that decide on the network, which `pretrain` takes too
    "floor_measure": str,  # measure by which the floor takes the network's place in `train`, or empty
    "name": str,  # the model's name in the registry
    "previous": str,  # an earlier assignment to splits that is kept, or empty
    "params": dict,  # settings of all steps, a section each, as the run and the report show them
}

training = build("darkroom-training", "Labelled images in, a registered and explained image classifier out.", FLOW, GIVEN)
