"""The search as a whole: what it writes, that it can be repeated, and that a kill loses nothing."""

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from components.augment.config import AugmentConfig
from components.train.config import TrainConfig
from components.train.train import train
from components.tune import study, trial_loop
from components.tune.config import TuneConfig
from components.tune.trial_policy import trial_policy
from components.tune.tune import tune
from darkroom import manifest, model
from darkroom.augmentation import policy as policies
from darkroom.augmentation.policy import Policy
from darkroom.augmentation.policy_settings import make_policy
from darkroom.manifest import put_column
from darkroom.notes import Note
from darkroom.system.config import parse
from darkroom.system.errors import InputError
from darkroom.tuned import Trial, Tuned, read_tuned
from tests import forks
from tests.components.train import toys

TRAIN = {"epochs": 2, "batch_size": 8, "learning_rate": 0.003, "side_px": 8, "monitor": "accuracy"}
pytestmark = pytest.mark.usefixtures("narrow_network", "no_pictures")  # which tests of `train` look at
SPACE = {"train.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}, "train.dropout": [0.0, 0.2]}


def run(inputs, tuned, checkpoints=None, settings=TRAIN, augment_settings=None, store=None, on_trial=lambda trial, curve: None, **values):
    config = parse(
        TuneConfig, "tune", {"enabled": True, "num_trials": 3, "sampler": "random", "num_resamples": 100, "search": SPACE} | values
    )
    if checkpoints:
        checkpoints.mkdir(parents=True, exist_ok=True)
    settings = {"train_settings": settings, "augment_settings": augment_settings or {}}
    paths = inputs.paths() | {"tuned": tuned, "tuned_policy": tuned.with_name(f"{tuned.name}_policy.json")}
    return tune(**paths, **settings, config=config, checkpoints=checkpoints, store=store, on_trial=on_trial)


def test_a_search_that_is_off_writes_an_empty_result_in_milliseconds(tmp_path):
    inputs = toys.Inputs(*[tmp_path / name for name in ("images", "augmented_images", "examples", "policy.json", "embeddings")])
    toys.MILD.write(inputs.policy)
    started = time.process_time()  # whatever else the machine does
    assert run(inputs, tmp_path / "tuned", enabled=False) == dict.fromkeys(("num_trials", "num_pruned", "num_failed", "gain"), 0)
    assert time.process_time() - started < 0.1
    found = read_tuned(tmp_path / "tuned")
    assert (found.trials, found.best, found.told(), found.notes) == ((), {}, [], ())
    assert (tmp_path / "tuned_policy.json").read_bytes() == inputs.policy.read_bytes()


def test_the_best_of_some_trials_is_told_with_its_gain_over_the_settings_as_they_are(tmp_path):
    inputs, told = toys.make(tmp_path, num_train=48, num_validation=24), []
    slow = TRAIN | {"learning_rate": 1e-6, "epochs": 4}
    measures = run(
        inputs, tmp_path / "tuned", settings=slow, search={"train.learning_rate": [1e-7, 0.02]}, sampler="grid",
        on_trial=lambda trial, curve: told.append((trial.number, len(curve))),
    )  # fmt: skip
    found = read_tuned(tmp_path / "tuned")
    assert [trial.number for trial in found.trials] == [0, 1, 2]
    assert told == [(0, 4), (1, 4), (2, 4)]
    assert found.trials[0].settings == {}
    assert {trial.settings["train.learning_rate"] for trial in found.trials[1:]} == {1e-7, 0.02}
    assert found.best == {"train.learning_rate": 0.02} == found.trials[found.best_trial].settings
    assert found.trials[found.best_trial].score == max(trial.score for trial in found.trials)
    assert found.gain is not None
    assert found.gain.measure == "accuracy"
    assert found.gain.gain == pytest.approx(found.trials[found.best_trial].score - found.trials[0].score)
    assert found.gain.low < found.gain.gain < found.gain.high
    assert (measures["num_trials"], measures["gain"], found.num_images) == (3, found.gain.gain, 24)
    assert "train.learning_rate=0.02" in found.notes[0].text


def test_what_training_does_on_the_fly_is_searched_too_and_handed_on(tmp_path):
    colourless = {"hue_degrees": 180.0, "probability": 1.0, "vertical_flip": "auto", "policy": "own"}
    policy = make_policy(AugmentConfig(**colourless | {"vertical_flip": 0.5}), {})  # as it was measured
    inputs = toys.make(tmp_path, num_train=48, num_validation=24, policy=policy)
    settings = TRAIN | {"learning_rate": 0.02, "epochs": 6, "monitor": "loss"}
    run(inputs, tmp_path / "tuned", settings=settings, augment_settings=colourless, search={"augment.hue_degrees": [0.0]}, num_trials=2)
    found, chosen = read_tuned(tmp_path / "tuned"), policies.read(tmp_path / "tuned_policy.json")
    assert found.best == {"augment.hue_degrees": 0.0}
    assert found.trials[1].score < found.trials[0].score
    assert chosen == Policy(operations=tuple(one for one in policy.operations if one.name != "hue"))
    assert chosen.get("vertical_flip") == policy.get("vertical_flip") is not None
    outputs = {name: tmp_path / name for name in ("model", "history", "learning_curves")}
    again = train(
        **inputs.paths() | outputs | {"policy": tmp_path / "tuned_policy.json"}, config=TrainConfig(**settings), tuned=tmp_path / "tuned"
    )
    assert again["validation_loss"] == found.trials[1].score


@pytest.mark.parametrize("name", ["own", "rand_augment", "trivial_augment"])
def test_a_policy_with_the_settings_that_it_was_made_of_is_the_same(name):
    settings = {"policy": name, "horizontal_flip": 0.3, "blur": 0.01}
    given = make_policy(AugmentConfig(**settings), {})
    assert trial_policy(given, settings, {}) is given
    assert trial_policy(given, settings, {"policy": name}) == given
    assert trial_policy(given, settings, {"noise": 0.0}) != given


def test_the_search_never_sees_the_test_split(tmp_path):
    inputs = toys.make(tmp_path, num_train=24, num_validation=18)
    table = manifest.read(inputs.examples)
    splits = ["test" if row % 3 == 2 else split for row, split in enumerate(table.column("split"))]
    table = replace(table, table=put_column(table.table, "split", splits))
    table.write(inputs.examples)
    run(inputs, tmp_path / "tuned", tmp_path / "a", num_trials=2)
    labels = ["red" if split == "test" else label for label, split in zip(table.column("label"), splits, strict=True)]
    names = ["0" * 64 if split == "test" else name for name, split in zip(table.column("image_id"), splits, strict=True)]
    changed = replace(table, table=put_column(put_column(table.table, "label", labels), "image_id", names))
    changed.write(inputs.examples)
    run(inputs, tmp_path / "changed", tmp_path / "b", num_trials=2)
    assert changed.table != table.table
    assert (tmp_path / "tuned").read_bytes() == (tmp_path / "changed").read_bytes()


def test_a_search_trains_no_folds(tmp_path, capsys):
    inputs = toys.make(tmp_path, num_train=24, num_validation=18)
    run(inputs, tmp_path / "alone", num_trials=2)
    table = manifest.read(inputs.examples)
    folds = [row % 3 for row in range(len(table))]
    replace(table, table=put_column(table.table, "validation_fold", folds)).write(inputs.examples)
    capsys.readouterr()
    run(inputs, tmp_path / "folded", num_trials=2, settings=TRAIN | {"distill_folds": 0.5})  # what the folds answer is learnt later
    assert "fold" not in capsys.readouterr().out
    assert (tmp_path / "alone").read_bytes() == (tmp_path / "folded").read_bytes()


def test_a_killed_search_takes_its_trial_again_and_ends_with_the_same_bytes(tmp_path, monkeypatch, capsys):
    inputs, checkpoints, give_sign = toys.make(tmp_path), tmp_path / "checkpoints", study.give_sign
    signs = []

    def kill(trial):
        give_sign(trial)
        signs.append(trial.number)
        if signs.count(1) == 2:  # when it began, and after its first epoch
            os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(study, "give_sign", kill)
        killed = forks.run(lambda: run(inputs, tmp_path / "tuned", checkpoints, num_trials=2), tmp_path, dict(os.environ))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert "trial 0: complete" in killed.stdout
    assert not (tmp_path / "tuned").exists()
    run(inputs, tmp_path / "tuned", checkpoints, num_trials=2)
    told = capsys.readouterr().out
    assert "trial 1 was left by a process that was killed" in told
    assert "resuming after epoch 1/2" in told
    assert "trial 0:" not in told
    run(inputs, tmp_path / "whole", num_trials=2)
    assert (tmp_path / "tuned").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_search_goes_on_whatever_else_the_store_holds_by_then(tmp_path, capsys):
    inputs, place = toys.make(tmp_path), (tmp_path / "tuned", tmp_path / "checkpoints")
    (tmp_path / "store" / "vectors").mkdir(parents=True)
    run(inputs, *place, num_trials=2, store=tmp_path / "store")
    (tmp_path / "store" / "vectors" / "more.arrow").write_bytes(b"vectors of another run")
    capsys.readouterr()
    run(inputs, *place, num_trials=2, store=tmp_path / "store")
    assert "images for training" not in capsys.readouterr().out


def test_an_interrupted_search_keeps_what_is_done(tmp_path, capsys):
    inputs, checkpoints = toys.make(tmp_path), tmp_path / "checkpoints"

    def interrupt(trial, curve):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(inputs, tmp_path / "tuned", checkpoints, num_trials=2, on_trial=interrupt)
    assert "stopped after 1 trials" in capsys.readouterr().out
    run(inputs, tmp_path / "tuned", checkpoints, num_trials=2)
    assert [trial.number for trial in read_tuned(tmp_path / "tuned").trials] == [0, 1]


def test_a_hopeless_trial_is_stopped_and_one_that_can_not_be_trained_is_told(tmp_path):
    search = {"train.optimizer": ["adam"], "train.learning_rate": [1e-9]}
    inputs = toys.make(tmp_path, num_train=48, num_validation=24)
    values = {"pruner_startup_trials": 1, "pruner_warmup_epochs": 1, "num_trials": 2}
    run(inputs, tmp_path / "a", settings=TRAIN | {"learning_rate": 0.02, "epochs": 4}, search=search, **values)
    stopped = read_tuned(tmp_path / "a").trials[1]
    assert stopped.state == "pruned"
    assert 2 <= stopped.num_epochs < 4
    assert "median" in stopped.reason
    settings = TRAIN | {"optimizer": "sgd", "schedule": "constant", "warmup_epochs": 0, "weight_decay": 10}
    search = {"train.learning_rate": [10.0], "train.epochs": [300]}
    measures = run(inputs, tmp_path / "b", settings=settings, search=search, num_trials=2, pruner="none")
    failed, found = read_tuned(tmp_path / "b").trials[1], read_tuned(tmp_path / "b")
    assert (failed.state, failed.score, found.best, found.gain) == ("failed", None, {}, None)
    assert failed.reason.startswith("train.learning_rate is 10")
    assert found.notes[0].is_warning
    assert (measures["num_failed"], measures["gain"]) == (1, 0)


def test_settings_are_not_trained_with_twice(tmp_path):
    epochs = []
    run(toys.make(tmp_path), tmp_path / "tuned", search={"train.dropout": [0.1]}, on_trial=lambda trial, curve: epochs.append(len(curve)))
    first, second = read_tuned(tmp_path / "tuned").trials[1:]
    assert epochs == [2, 2, 0]
    assert (second.score, second.settings) == (first.score, first.settings)
    assert second.reason == "it has the settings of trial 1"


def test_settings_of_a_trial_that_was_stopped_are_not_trained_with_again_either(tmp_path):
    inputs = toys.make(tmp_path, num_train=48, num_validation=24)
    values = {"pruner_startup_trials": 1, "pruner_warmup_epochs": 1, "num_trials": 3}
    settings, search = TRAIN | {"learning_rate": 0.02, "epochs": 4}, {"train.optimizer": ["adam"], "train.learning_rate": [1e-9]}
    measures = run(inputs, tmp_path / "tuned", settings=settings, search=search, **values)
    _, first, second = read_tuned(tmp_path / "tuned").trials
    assert (first.state, second.state, second.num_epochs, second.score) == ("pruned", "pruned", 0, None)
    assert second.reason == "it has the settings of trial 1" and measures["num_pruned"] == 2


def test_the_time_limit_ends_a_search_after_its_first_trial(tmp_path):
    run(toys.make(tmp_path), tmp_path / "tuned", timeout_min=1e-6)
    assert [(trial.number, trial.state) for trial in read_tuned(tmp_path / "tuned").trials] == [(0, "complete")]


def test_a_search_without_validation_images_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"split\.validation_fraction"):
        run(toys.make(tmp_path, num_validation=0), tmp_path / "tuned")


def test_a_loss_is_better_where_it_is_lower(tmp_path):
    run(toys.make(tmp_path), tmp_path / "tuned", settings=TRAIN | {"monitor": "loss"}, num_trials=2)
    found = read_tuned(tmp_path / "tuned")
    assert found.trials[found.best_trial].score == min(trial.score for trial in found.trials)
    assert all(trial.score > 0 for trial in found.trials)
    assert found.gain is None or found.gain.measure == "f1_macro"


def test_train_takes_the_best_settings_and_says_so(tmp_path):
    inputs = toys.make(tmp_path)
    trials = (Trial(0, "complete", {}, 0.5, 2), Trial(1, "complete", {"train.learning_rate": 0.004}, 0.75, 2))
    Tuned("accuracy", trials, best_trial=1, notes=(Note("tune", "searched"),)).write(tmp_path / "tuned")
    outputs = {name: tmp_path / name for name in ("model", "history", "learning_curves")}
    train(**inputs.paths(), **outputs, config=TrainConfig(**TRAIN), tuned=tmp_path / "tuned")
    card = model.read_card(tmp_path / "model")
    assert card.provenance["tuned"] == {"train.learning_rate": 0.004}
    assert card.provenance["settings"]["learning_rate"] == card.provenance["learning_rate"] == 0.004
    steps = [note["step"] for note in card.provenance["notes"]]
    assert steps == ["tune"] + ["train"] * (len(steps) - 1) and len(steps) > 1


@pytest.mark.parametrize("address", ["postgresql://nobody@127.0.0.1:1/none", "sqlite:////proc/none.db", "/proc/none/trials.log"])
def test_a_storage_that_can_not_be_used_is_told_in_one_sentence(tmp_path, monkeypatch, address):
    monkeypatch.setattr(study, "_WAITS_S", ())
    with pytest.raises(InputError, match=rf"^tune\.storage is {address}, which "):
        run(toys.make(tmp_path), tmp_path / "tuned", storage=address)


@pytest.mark.slow
@pytest.mark.parametrize("address", ["shared.log", "sqlite:///shared.db"])
def test_two_processes_share_one_study(tmp_path, address):
    inputs = toys.make(tmp_path)

    def work(seed):
        return lambda: run(inputs, tmp_path / f"tuned-{seed}", storage=address, num_trials=6, seed=seed)

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda seed: forks.run(work(seed), tmp_path, dict(os.environ)), range(2)))
    assert [process.returncode for process in done] == [0, 0], done[0].stderr + done[1].stderr
    own = [process.stdout.count("best so far") for process in done]
    assert sum(own) == 6
    assert min(own) > 0
    last = max((read_tuned(tmp_path / f"tuned-{seed}") for seed in range(2)), key=lambda found: len(found.trials))
    assert [trial.number for trial in last.trials] == list(range(6))


@pytest.mark.slow
def test_a_worker_runs_trials_of_the_study_that_the_first_one_began_and_leaves_the_end_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr(trial_loop, "_POLL_S", 0.05)
    inputs = toys.make(tmp_path, num_train=24, num_validation=12)
    shared = {"storage": f"sqlite:///{tmp_path / 'study.db'}", "num_workers": 3, "num_trials": 4}

    def work(worker):
        def search():
            told = []
            place = (tmp_path / f"tuned-{worker}", tmp_path / f"checkpoints-{worker}")
            measures = run(inputs, *place, worker=worker, on_trial=lambda trial, curve: told.append(trial.number), **shared)
            (tmp_path / f"worker-{worker}.json").write_text(json.dumps([measures["num_trials"], told]), encoding="utf-8")

        return search

    with ThreadPoolExecutor() as workers:
        done = list(workers.map(lambda worker: forks.run(work(worker), tmp_path, dict(os.environ)), range(3)))
    assert [process.returncode for process in done] == [0] * 3, "".join(process.stderr for process in done)
    first, *others = (json.loads((tmp_path / f"worker-{worker}.json").read_text(encoding="utf-8")) for worker in range(3))
    assert first[0] == 4
    assert sorted(first[1] + others[0][1] + others[1][1]) == [0, 1, 2, 3]
    assert [number for number, _ in others] == [0, 0]
    found = read_tuned(tmp_path / "tuned-0")
    assert [(trial.number, trial.settings == {}) for trial in found.trials] == [(0, True), (1, False), (2, False), (3, False)]
    assert read_tuned(tmp_path / "tuned-1") == read_tuned(tmp_path / "tuned-2") == Tuned()


def test_a_worker_does_not_wait_for_ever_for_the_first_one(tmp_path, monkeypatch):
    monkeypatch.setattr(trial_loop, "_POLL_S", 0.05)
    inputs = toys.make(tmp_path)
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    assert run(inputs, tmp_path / "tuned", tmp_path / "c", worker=1, num_workers=2, storage=storage, abandoned_min=0.001)["num_trials"] == 0
    assert read_tuned(tmp_path / "tuned") == Tuned()
