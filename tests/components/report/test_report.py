"""The report, as a parser reads it."""

import base64
import io
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.report.config import ReportConfig
from components.report.report import report
from darkroom import issues
from darkroom.artifacts import CORRECTIONS
from darkroom.comparison import ClassChange, Comparison, Difference, Limit
from darkroom.evaluation import LEAKED, LEAKS, METRICS, read_headline, read_metrics
from darkroom.issues import Illustration
from darkroom.model import CARD, read_card
from darkroom.outcome import Forgotten, Outcome, Verdict, read_outcome
from darkroom.pretrained_weights import PretrainedWeights
from darkroom.system.files import write_json
from darkroom.task import Task
from darkroom.tuned import Trial, Tuned
from tests.finished import Finished, make

REASON = "on 12 shared test images its f1_macro of 0.8 is worse than version 2's 0.9"
COMPARISON = Comparison(
    "version 2",
    (
        Difference("f1_macro", 0.8, 0.9, -0.25, 0.05, 0.21, "bootstrap"),
        Difference("accuracy", 0.85, 0.8, -0.1, 0.2, 0.0004, "mcnemar"),
    ),
    (ClassChange("cat", 4, 0.25, 1.0, 0.125), ClassChange("<b>dog</b>", 8, 1.0, 0.5, 1.0)),
    12, 10, 2, 3, 7, {"f1_macro": 0.6543},
)  # fmt: skip
LIMITS = (Limit("min_gain", "f1_macro larger by more than 0", "-0.1000", False), Limit("max_size_mb", "at most 9 MB", "8 MB", True))
VERDICT = Verdict("challenger", REASON, 2, COMPARISON, LIMITS)
VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Text, elements and addresses of a page; fails where elements are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] != "style":
            self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def write(work: Finished, folder: Path, params: dict[str, Any] | None = None, **change: Any) -> str:
    full, pruned = read_headline(work.artifacts.evaluation), read_headline(work.artifacts.pruned_evaluation)
    facts = {"alias": "challenger", "variant": "full", "verdict": VERDICT, "latency_ratio": 0.45, "size_ratio": 0.31, "dropped": 2}
    outcome = Outcome(**{"name": "toys", "version": 3, "metrics": full, "pruned_metrics": pruned, "run_id": "2b8dce03", **facts, **change})
    folder.mkdir(exist_ok=True)
    outcome.write(folder / "outcome")
    return write_undecided(work, folder, params, folder / "outcome")


def write_searched(work: Finished, folder: Path, found: Tuned) -> str:
    found.write(folder / "tuned")
    report(work.artifacts, folder / "report", config=ReportConfig(), params={}, tuned=folder / "tuned")
    return (folder / "report").read_text()


def write_undecided(work: Finished, folder: Path, params: dict[str, Any] | None = None, outcome: Path | None = None) -> str:
    report(work.artifacts, folder / "report", config=ReportConfig(), params=params or {"train": {"epochs": 30}}, outcome=outcome)
    return (folder / "report").read_text()


def with_measures(work: Finished, folder: Path, artifact: str, **measures: Any) -> Finished:
    """The same run, one of whose evaluations says something else."""
    shutil.copytree(getattr(work.artifacts, artifact), folder / artifact)
    write_json(folder / artifact / METRICS, {**read_metrics(getattr(work.artifacts, artifact)), **measures})
    return replace(work, artifacts=replace(work.artifacts, **{artifact: folder / artifact}))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run with some mistakes."""
    return make(tmp_path_factory.mktemp("work"), noise=0.2)


def test_it_tells_the_whole_story(work: Finished, tmp_path: Path) -> None:
    page = Page(write(work, tmp_path))
    accuracy = read_headline(work.artifacts.evaluation)["accuracy"]
    for part in (
        "toys version 3",
        "challenger",
        "On 12 shared test images its f1_macro of 0.8 is worse than version 2's 0.9.",
        f"Accuracy {accuracy:.4f} 95 %:",
        "train 18 validation 6 test 12 left out 2",
        "cat 12",
        "cat/broken.png it is unreadable",
        "4 epochs",
        "Latency, full 3.3 ms pruned, × 0.45 1.5 ms",
        "50% of the multiply-adds and 45% of the latency remain",
        f"run 2b8dce03 data version {'a' * 32}.dir",
        "Settings of train epochs 30",
    ):
        assert part in page.text


def test_it_says_why_a_model_was_not_promoted(work: Finished, tmp_path: Path) -> None:
    page = Page(write(work, tmp_path))
    for part in (
        "Why this model was not promoted",
        "f1_macro larger by more than 0 min_gain -0.1000 not met at most 9 MB max_size_mb 8 MB met",
        "This version and version 2 on the same 12 test images of 10 groups",
        "F1, mean of classes decides 0.8000 0.9000 -0.1000 -0.250 to +0.050 0.210 Accuracy 0.8500 0.8000 +0.0500 -0.100 to +0.200 < 0.001",
        "only this version right on 2 only version 2 right on 3 test images that are new 7 F1, mean of classes on the new ones 0.6543",
        "cat 4 0.2500 1.0000 -0.7500 0.125 <b>dog</b> 8 1.0000 0.5000 +0.5000 –",
    ):
        assert part in page.text


def test_it_says_why_a_first_model_was_promoted(work: Finished, tmp_path: Path) -> None:
    verdict = Verdict("champion", "there was no champion yet", 0, replace(COMPARISON, champion="always answering 'cat'"), LIMITS[1:])
    page = Page(write(work, tmp_path, verdict=verdict, alias="champion"))
    assert "Why this model was promoted What promotion asks for Found at most 9 MB" in page.text
    assert "This version and always answering 'cat' on the same" in page.text
    assert "Recall of each class" not in page.text


def test_it_says_why_two_models_can_t_be_compared(work: Finished, tmp_path: Path) -> None:
    page = Page(write(work, tmp_path, verdict=Verdict("challenger", "it can't be compared", 2)))
    assert "Why this model was not promoted It can't be compared." in page.text


def test_what_was_forgotten_of_earlier_test_sets_is_shown(work: Finished, tmp_path: Path) -> None:
    text = Page(write(work, tmp_path, forgotten=(Forgotten(1, 12, 9, 4, 2, ("cat/<1>.png",)),))).text
    assert "version 1 12 9 4 2 cat/<1>.png" in text


def test_without_an_outcome_it_says_that_nothing_was_registered(work: Finished, tmp_path: Path) -> None:
    text = Page(write_undecided(work, tmp_path)).text
    assert "no decision These steps ran without register , as dvc repro runs them: nothing was registered" in text
    assert "Why this model was" not in text
    assert "shown full model" in text
    assert f"data version {'a' * 32}.dir" in text


def test_the_settings_say_how_many_examples_are_named(work: Finished, tmp_path: Path) -> None:
    report(work.artifacts, tmp_path / "report", config=ReportConfig(num_examples=0), params={})
    assert "cat/broken.png" not in (tmp_path / "report").read_text()


def test_it_is_built_without_the_libraries_of_training() -> None:
    heavy = {"torch", "sklearn", "pandas", "scipy", "matplotlib", "onnxruntime", "mlflow", "kfp"}
    code = "import sys, components.report.report; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert heavy & set(loaded.split()) == set()


def test_it_needs_nothing_but_itself(work: Finished, tmp_path: Path) -> None:
    page = Page(write(work, tmp_path))
    sources = [attributes["src"] or "" for tag, attributes in page.elements if tag == "img"]
    assert len(sources) >= 5
    assert {source.split(",")[0] for source in sources} <= {"data:image/png;base64", "data:image/jpeg;base64"}
    assert {tag for tag, _ in page.elements} & {"script", "link", "iframe", "object"} == set()
    assert [attributes for tag, attributes in page.elements if "href" in attributes] == []


def test_equal_inputs_make_equal_bytes(work: Finished, tmp_path: Path) -> None:
    assert write(work, tmp_path / "a") == write(work, tmp_path / "b")


def test_names_can_carry_no_markup(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    html = write(make(tmp_path / "work", (evil, '"><img src=x onerror=alert(1)>'), "binary"), tmp_path, name=evil)
    assert "<script" not in html
    page = Page(html)
    assert evil in page.text
    assert [attributes for _, attributes in page.elements if "onerror" in attributes] == []


@pytest.mark.parametrize(("number", "task"), [pytest.param(25, "multilabel", marks=pytest.mark.slow), (40, "multiclass")])
def test_many_classes_are_all_counted(tmp_path: Path, number: int, task: Task) -> None:
    names = tuple(f"kind {index:03d}" for index in range(number))
    page = Page(write(make(tmp_path / "work", names, task, per_class=4, evaluate_pruned=False), tmp_path))
    assert [name for name in names if name not in page.text] == []


def test_the_pruned_model_is_evaluated_where_it_was_registered(work: Finished, tmp_path: Path) -> None:
    page = Page(write(with_measures(work, tmp_path, "pruned_evaluation", accuracy=0.1234), tmp_path, variant="pruned"))
    assert "registered pruned model" in page.text
    assert "Accuracy 0.1234" in page.text
    assert "full model: " in page.text


@pytest.mark.parametrize(
    ("pruning", "variant", "said"),
    [
        ({"met": True}, "pruned", "The pruned model met its limits and was registered."),
        ({"met": True}, "full", "The pruned model met its limits, but falls below the floor; the full one was registered."),
        ({"met": False}, "full", "The pruned model did not meet its limits; the full one was registered."),
        (
            {"met": False, "reason": "nothing was pruned: prune.enabled is false"},
            "full",
            "Nothing was pruned; the full model was registered.",
        ),
    ],
)
def test_it_says_which_model_was_registered_and_why(
    work: Finished, tmp_path: Path, pruning: dict[str, Any], variant: str, said: str
) -> None:
    folder = tmp_path / "pruned_model"
    shutil.copytree(work.artifacts.pruned_model, folder)
    card = read_card(folder)
    measured = {} if "reason" in pruning else card.pruning or {}
    replace(card, pruning={**measured, **pruning}).write(folder / CARD)
    changed = replace(work, artifacts=replace(work.artifacts, pruned_model=folder))
    text = Page(write(changed, tmp_path, variant=variant)).text
    assert said in text
    assert ("Both stay with the run." in text) == ("reason" not in pruning)


def test_a_user_s_own_evaluation_set_is_named_with_what_was_trained_on(work: Finished, tmp_path: Path) -> None:
    evaluated = with_measures(work, tmp_path, "evaluation", num_trained_on=12.0)
    text = Page(write(evaluated, tmp_path, {"evaluate": {"data": "/sets/<frozen>"}})).text
    assert "on the images of /sets/<frozen>" in text
    assert "12 of them were trained on as well" in text


def test_the_same_model_again_is_said_to_be_that(work: Finished, tmp_path: Path) -> None:
    page = Page(write(work, tmp_path, repeated=True, alias=""))
    assert "An earlier run had registered the very same model" in page.text
    assert "alias now none" in page.text


def test_of_several_labels_only_wrong_and_missing_ones_are_named(tmp_path: Path) -> None:
    work = make(tmp_path / "work", ("a", "b", "c"), "multilabel", noise=0.5)
    text = Page(write(work, tmp_path)).text
    assert "has no " in text or "missed " in text


def test_an_outcome_reads_back(work: Finished, tmp_path: Path) -> None:
    outcome = Outcome("toys", 3, "challenger", "full", VERDICT, {"accuracy": 0.9}, {"accuracy": 0.8}, 0.45, 0.31, 26)
    outcome.write(tmp_path / "outcome")
    assert read_outcome(tmp_path / "outcome") == {
        "run_id": "",
        "model": {"name": "toys", "version": 3, "alias": "challenger", "variant": "full"},
        "metrics": {"accuracy": 0.9},
        "pruned": {"metrics": {"accuracy": 0.8}, "latency_ratio": 0.45, "size_ratio": 0.31},
        "floor": {"metrics": {}, "difference": None},
        "leaks": {},
        "dropped": 26,
        "decision": "challenger",
        "reason": VERDICT.reason,
        "repeated": False,
        "forgotten": [],
        "notes": [],
        **json.loads(json.dumps(VERDICT.plain())),
    }


@pytest.mark.parametrize(
    ("monitor", "said"),
    [
        (
            "f1_macro",
            "4 epochs, of which epoch 3 was kept: the last one whose f1_macro on the validation images lies within one standard error",
        ),
        ("loss", "4 epochs, of which epoch 3 was kept: the last one whose loss on the validation images was the lowest."),
    ],
)
def test_it_says_which_epoch_was_kept_and_why(work: Finished, tmp_path: Path, monitor: str, said: str) -> None:
    assert said in Page(write_undecided(with_epoch(work, tmp_path, 3, monitor), tmp_path)).text


def test_without_validation_images_it_says_that_the_last_epoch_was_kept(work: Finished, tmp_path: Path) -> None:
    trained = with_epoch(work, tmp_path, 2, "f1_macro")
    (tmp_path / "history").write_text("epoch,train_loss\n1,0.5\n2,0.4\n")
    trained = replace(trained, artifacts=replace(trained.artifacts, history=tmp_path / "history"))
    assert "2 epochs; without validation images, the last one was kept." in Page(write_undecided(trained, tmp_path)).text


def test_a_model_that_names_no_kept_epoch_is_shown(work: Finished, tmp_path: Path) -> None:
    assert "4 epochs." in Page(write_undecided(work, tmp_path)).text


@pytest.mark.parametrize("verdict", ["overfits", "underfits", "unfinished", "fine", "unknown", "of a later release"])
def test_over_and_underfitting_stand_with_their_evidence_and_what_to_try(work: Finished, tmp_path: Path, verdict: str) -> None:
    found = {"verdict": verdict, "evidence": ["a gap of <0.2"], "remedies": [["train.dropout=0.2", "fewer features"]]}
    text = Page(write_undecided(with_provenance(work, tmp_path, {"fitting": found}), tmp_path)).text
    for said in ("A gap of <0.2.", "train.dropout=0.2 Fewer features."):
        assert (said in text) == (verdict != "of a later release")


def with_epoch(work: Finished, folder: Path, kept: int, monitor: str) -> Finished:
    """The same run, whose model tells how its epoch was chosen."""
    return with_provenance(work, folder, {"best_epoch": kept, "hyperparameters": {"monitor": monitor}})


def with_provenance(work: Finished, folder: Path, more: dict[str, Any]) -> Finished:
    """The same run, whose model's card says more."""
    shutil.copytree(work.artifacts.model, folder / "model")
    card = read_card(folder / "model")
    replace(card, provenance={**card.provenance, **more}).write(folder / "model" / CARD)
    return replace(work, artifacts=replace(work.artifacts, model=folder / "model"))


def test_the_sheet_of_corrections_is_shown_once_and_only_where_there_is_one(work: Finished, tmp_path: Path) -> None:
    curves = Path(shutil.copytree(work.artifacts.learning_curves, tmp_path / "curves"))
    Image.new("RGB", (300, 200), "red").save(curves / CORRECTIONS)
    corrected = replace(work, artifacts=replace(work.artifacts, learning_curves=curves))
    with_it, without = (Page(write(one, tmp_path / name)) for one, name in ((corrected, "with"), (work, "without")))
    sheets = [[attrs for tag, attrs in page.elements if tag == "img" and "orrection" in str(attrs["alt"])] for page in (with_it, without)]
    assert [attrs["alt"] for attrs in sheets[0]] == ["What each correction does to training images"] and not sheets[1]
    assert "Corrections of every image" in with_it.text and "Corrections of every image" not in without.text


def test_a_huge_contact_sheet_is_made_smaller(work: Finished, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 2400, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "sheet", "PNG")
    bigger = replace(work, artifacts=replace(work.artifacts, contact_sheet=tmp_path / "sheet"))
    page = Page(write(bigger, tmp_path))
    (sheet,) = [values["src"] or "" for tag, values in page.elements if tag == "img" and (values["alt"] or "").startswith("What each")]
    with Image.open(io.BytesIO(base64.b64decode(sheet.split(",")[1]))) as picture:
        assert (picture.format, picture.size) == ("JPEG", (1600, 200))


def test_a_search_has_a_section_with_its_gain_its_charts_and_its_trials(work: Finished, tmp_path: Path) -> None:
    networks, rates = ["small_cnn", "lite0", "<i>lite1</i>"], [1e-4, 2e-3, 9e-3]
    trials = [Trial(0, "complete", {}, 0.8, 4)]
    for number, (network, rate) in enumerate(zip(networks, rates, strict=True), start=1):
        trials.append(Trial(number, "complete", {"train.model": network, "train.learning_rate": rate}, 0.7 + number / 20, 4))
    trials.append(Trial(4, "pruned", {"train.model": "lite0", "train.learning_rate": 5e-3}, 0.4, 2, "worse than the median"))
    trials.append(Trial(5, "failed", {"train.model": "lite0", "train.learning_rate": 1e-2}, reason="too high"))
    gain = Difference("f1_macro", 0.85, 0.8, -0.01, 0.11, 0.2, "bootstrap")
    found = Tuned("f1_macro", tuple(trials), 3, gain, 120, {"train.learning_rate": 0.75, "train.model": 0.25})
    html = write_searched(work, tmp_path, found)
    page = Page(html)
    for part in (
        "6 trials were compared by f1_macro",
        "+0.0500 over trial 0 (95 %: -0.0100 to +0.1100) on 120 validation images",
        "too high",
    ):
        assert part in page.text
    assert "<i>lite1" not in html
    shown = [attributes["alt"] for tag, attributes in page.elements if tag == "img"]
    assert {"Importances", "Parallel coordinates"} <= set(shown)
    assert html == write_searched(work, tmp_path, found)


def test_without_a_search_there_is_no_section_and_with_two_trials_no_charts(work: Finished, tmp_path: Path) -> None:
    assert "Trials, the best first" not in write_searched(work, tmp_path, Tuned())
    page = Page(write_searched(work, tmp_path, Tuned("loss", (Trial(0, "complete", {}, 0.5, 3), Trial(1, "failed", {"train.epochs": 3})))))
    assert "None was better." in page.text
    assert "Parallel coordinates" not in [attributes["alt"] for tag, attributes in page.elements if tag == "img"]


def test_a_training_without_labels_has_a_section_with_its_method_its_images_and_its_loss(work: Finished, tmp_path: Path) -> None:
    learnt = PretrainedWeights("small_cnn", 32, (0.5,) * 3, (0.2,) * 3, "simclr", 3, 1234, (5.0, 4.2, 4.0))
    html = write_pretrained(work, tmp_path, learnt, {"pretrain": {"data": "/photos/<all>"}})
    page = Page(html)
    said = "small_cnn learnt by SimCLR to recognise two views of the same image, from 1,234 images of /photos/<all> at 32 px, in 3 epochs."
    assert said in page.text
    assert [values["alt"] for tag, values in page.elements if tag == "img"].count("Loss without labels") == 1
    assert html == write_pretrained(work, tmp_path, learnt, {"pretrain": {"data": "/photos/<all>"}})


def test_weights_of_an_earlier_release_have_no_curve_and_without_such_a_training_there_is_no_section(
    work: Finished, tmp_path: Path
) -> None:
    earlier = PretrainedWeights("small_cnn", 32, (0.5,) * 3, (0.2,) * 3, "vicreg", 1, 20)
    page = Page(write_pretrained(work, tmp_path, earlier, {}))
    assert "VICReg to recognise two views of the same image, from 20 images of the training split at 32 px, in 1 epoch." in page.text
    assert "Loss without labels" not in [values.get("alt") for tag, values in page.elements]
    assert "without labels" not in Page(write_pretrained(work, tmp_path, PretrainedWeights(), {})).text


def write_pretrained(work: Finished, folder: Path, learnt: PretrainedWeights, params: dict[str, Any]) -> str:
    learnt.write(folder / "pretrained")
    report(work.artifacts, folder / "report", config=ReportConfig(), params=params, pretrained=folder / "pretrained")
    return (folder / "report").read_text()


def picture(colour: str, side: int = 160, kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(file, kind)
    return file.getvalue()


def test_the_worst_findings_are_shown_as_pictures(work: Finished, tmp_path: Path) -> None:
    long = "a_name_that_no_column_can_hold/" * 3 + "<i>.png"
    checks = [
        ("dark.png", "dark", None),
        (long, "near_duplicate", "<b>o</b>.png"),
        ("wrong.png", "mislabelled", None),
        ("x.png", "dark", None),
    ]
    rows: list[dict[str, object]] = [
        {"path": path, "image_id": str(number), "check": check, "score": 9.0 - number, "action": "flagged", "other": other}
        | {"detail": f"is like {other}" if other else f"is {check}"}
        for number, (path, check, other) in enumerate(checks)
    ]
    shown = {
        0: Illustration(picture("black", 8, "PNG")),
        1: Illustration(picture("red"), other_id="o", other_picture=picture("green")),
        2: Illustration(picture("blue"), ["cat"], ["<b>dog</b>"]),
    }
    issues.write(tmp_path / "issues", rows, shown)
    page = Page(write(replace(work, artifacts=replace(work.artifacts, issues=tmp_path / "issues")), tmp_path / "report"))
    assert "mislabelled 1 cat → <b>dog</b> wrong.png flagged near duplicate 1 a_name_that_no_column" in page.text
    assert "…lumn_can_hold/<i>.png is like <b>o</b>.png flagged dark the worst 1 of 2 dark.png is dark flagged" in page.text
    found = {attributes["alt"]: attributes for tag, attributes in page.elements if tag == "img"}
    for name, colour in ((long, (254, 0, 0)), ("<b>o</b>.png", (0, 128, 0)), ("wrong.png", (0, 0, 254))):
        data = base64.b64decode(str(found[name]["src"]).partition("base64,")[2])
        assert Image.open(io.BytesIO(data)).getpixel((80, 80)) == pytest.approx(colour, abs=3)
    assert found["dark.png"]["class"] == "tiny" and "class" not in found["wrong.png"]
    assert long in [attributes.get("title") for _, attributes in page.elements]


def test_leaks_stand_beside_the_score_with_their_pairs(work: Finished, tmp_path: Path) -> None:
    folder = tmp_path / "evaluation" / LEAKS
    pair = {"path": "<b>t</b>.png", "other": "o.png", "check": "near_duplicate", "score": 0.88, "file": "0.png", "other_file": "1.png"}
    figures = {"share": 0.25, "low": 0.05, "high": 0.57, "num_images": 12, "beyond_chance": True, "without": {"accuracy": 0.5}}
    floor = {"as_split": {"accuracy": 0.9}, "by_clusters": {"accuracy": 0.6}}
    leaking = with_measures(work, tmp_path, "evaluation", **{LEAKS: {**figures, "floor": floor}})
    folder.mkdir()
    for name in ("0.png", "1.png"):
        Image.new("RGB", (8, 8), "red").save(folder / name)
    write_json(folder / LEAKED, [pair])
    page = Page(write(leaking, tmp_path))
    accuracy = read_headline(work.artifacts.evaluation)["accuracy"]
    assert "25.0 % of the 12 tested images (5.0 to 57.0 %) have a suspicious neighbour in training" in page.text
    assert f"Accuracy {accuracy:.4f} 0.5000 0.9000 0.6000" in page.text
    assert "near-duplicate 0.88 tested: <b>t</b>.png trained on: o.png" in page.text
    assert sum(tag == "img" and dict(attributes)["alt"] in ("<b>t</b>.png", "o.png") for tag, attributes in page.elements) == 2
    calm = with_measures(work, tmp_path / "calm", "evaluation", **{LEAKS: {**figures, "beyond_chance": False, "share": 0.0, "floor": {}}})
    text = Page(write(calm, tmp_path / "calm")).text
    assert "Nothing beyond chance: 0.0 %" in text and "expect less" not in text
    assert "from training into the tested images" not in Page(write(work, tmp_path / "untested")).text
