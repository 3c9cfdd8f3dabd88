"""Checkpoints in object storage: a real S3 server that looks at signatures, and a real training that is killed."""

import contextlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from darkroom.runtime.bucket import STARTED
from darkroom.runtime.checkpoints import checkpoint_folder
from darkroom.runtime.step import call
from darkroom.system.errors import InputError
from darkroom.tracking.tags import CHECKPOINTS
from darkroom.training import compilation
from tests.components.train import toys
from tests.servers import clean_environment

ROOT = Path(__file__).parents[3]
PLACE = "s3://artifacts/team/checkpoints"
Environments = dict[str, dict[str, str]]


def become(user: dict[str, str], monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    for name, value in {**user, **changes}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def store(guarded_bucket: Environments, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The writer's client; the environment is the writer's."""
    become(guarded_bucket["writer"], monkeypatch)
    with contextlib.closing(boto3.Session().client("s3")) as client:
        yield client


def keys(store: Any) -> list[str]:
    return [item["Key"] for item in store.list_objects_v2(Bucket="artifacts").get("Contents", [])]


def write(folder: Path, text: str) -> None:
    (folder / "draft").write_text(text)
    (folder / "draft").replace(folder / "state")


SETTINGS = {"side_px": 8, "epochs": 4, "batch_size": 8, "learning_rate": 0.003, "dropout": 0.2}
KILLED = """
import os, signal, sys
from pathlib import Path
from darkroom.runtime.step import call
from tests.components.train.toys import Inputs
folder = Path(sys.argv[1])
def die(epoch, measures):
    if epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)
names = ("images", "augmented_images", "examples.parquet", "policy.json", "embeddings")
inputs = Inputs(*(folder / name for name in names))
outputs = {{"model": folder / "a" / "model", "history": folder / "a" / "history.csv", "learning_curves": folder / "a" / "learning_curves"}}
call("train", {settings}, {{**inputs.paths(), **outputs}}, die)
"""


def train(inputs: toys.Inputs, folder: Path) -> dict[str, bytes]:
    outputs = {"model": folder / "model", "history": folder / "history.csv", "learning_curves": folder / "learning_curves"}
    call("train", SETTINGS, {**inputs.paths(), **outputs}, lambda epoch, row: None)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_training_that_was_killed_goes_on_from_the_bucket_on_another_machine(
    tmp_path: Path, store: Any, guarded_bucket: Environments, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs, machine = toys.make(tmp_path), tmp_path / "machine"
    machine.mkdir()
    environment = {**clean_environment(), **guarded_bucket["writer"], CHECKPOINTS: PLACE, "TMPDIR": str(machine)}
    command = [sys.executable, "-c", KILLED.format(settings=SETTINGS), str(tmp_path)]
    killed = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert "epoch 2/4" in killed.stdout and not (tmp_path / "a" / "model").exists()
    assert [path.name for path in machine.rglob("*.pt")] == ["training.pt"]
    shutil.rmtree(machine)
    assert {key.rpartition("/")[2] for key in keys(store)} == {STARTED, compilation.NAME, "training.pt"}
    assert all(key.startswith("team/checkpoints/train-") for key in keys(store))
    monkeypatch.setenv(CHECKPOINTS, PLACE)
    resumed = train(inputs, tmp_path / "resumed")
    told = capsys.readouterr().out
    assert "resuming after epoch 2/4" in told and "epoch 3/4  train" in told and "epoch 2/4  train" not in told
    assert keys(store) == []
    monkeypatch.delenv(CHECKPOINTS)
    assert train(inputs, tmp_path / "undisturbed") == resumed
    assert {"model/model.onnx", "history.csv"} <= set(resumed)


@pytest.mark.slow
def test_what_failed_is_found_again_and_drafts_are_not_kept(store: Any) -> None:
    with pytest.raises(ZeroDivisionError), checkpoint_folder(PLACE, "a") as (folder, save):
        write(folder, "one")
        (folder / ".state.1.part").write_text("half")
        save()
        assert keys(store) == [f"team/checkpoints/a/{STARTED}", "team/checkpoints/a/state"]
        raise ZeroDivisionError
    assert not folder.exists()
    with checkpoint_folder(PLACE, "ab") as (folder, _):
        assert list(folder.iterdir()) == []
    with checkpoint_folder("s3://artifacts/team/checkpoints/", "a") as (folder, save):
        assert [path.name for path in folder.iterdir()] == ["state"]
        assert (folder / "state").read_text() == "one"
    assert keys(store) == []


@pytest.mark.slow
def test_only_what_is_new_is_copied(store: Any) -> None:
    with checkpoint_folder("s3://artifacts", "a") as (folder, save):
        write(folder, "one")
        save()
        store.put_object(Bucket="artifacts", Key="a/state", Body=b"of another")
        save()
        assert store.get_object(Bucket="artifacts", Key="a/state")["Body"].read() == b"of another"
        write(folder, "two")
        save()
        assert store.get_object(Bucket="artifacts", Key="a/state")["Body"].read() == b"two"


@pytest.mark.slow
def test_a_copy_that_fails_is_told_and_made_the_next_time(store: Any, capsys: pytest.CaptureFixture[str]) -> None:
    store.create_bucket(Bucket="shaky")
    with checkpoint_folder("s3://shaky", "a") as (folder, save):
        write(folder, "one")
        store.delete_object(Bucket="shaky", Key=f"a/{STARTED}")
        store.delete_bucket(Bucket="shaky")
        save()
        told = capsys.readouterr().out
        assert "warning: state was not copied to s3://shaky/a: The specified bucket does not exist (NoSuchBucket); the work goes on" in told
        assert told.count("\n") == 1
        store.create_bucket(Bucket="shaky")
        save()
        assert store.get_object(Bucket="shaky", Key="a/state")["Body"].read() == b"one"
        store.delete_object(Bucket="shaky", Key="a/state")
        store.delete_bucket(Bucket="shaky")
    assert "warning: copies stay in s3://shaky/a: The specified bucket does not exist (NoSuchBucket)" in capsys.readouterr().out


@pytest.mark.slow
def test_two_at_once_leave_each_other_undisturbed(store: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with checkpoint_folder(PLACE, "a") as (second, save_second):
        with checkpoint_folder(PLACE, "a") as (first, save_first):
            for folder, save in ((first, save_first), (second, save_second)):
                write(folder, folder.name)
                save()
        assert keys(store) == []
        assert (second / "state").read_text() == second.name
        write(second, "on")
        save_second()
        assert keys(store) == ["team/checkpoints/a/state"]
    assert keys(store) == []
    assert capsys.readouterr().out == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("user", "changes", "place", "reason"),
    [
        (
            "writer",
            {"AWS_SECRET_ACCESS_KEY": "hunter2-of-the-store"},
            PLACE,
            r"The request signature we calculated .*\(SignatureDoesNotMatch\)",
        ),
        ("writer", {"AWS_ACCESS_KEY_ID": "NOBODYS-KEY"}, PLACE, r"The AWS Access Key Id .*\(InvalidAccessKeyId\)"),
        ("writer", {}, "s3://nowhere/team", r"The specified bucket does not exist \(NoSuchBucket\)"),
        ("reader", {}, PLACE, r"Access Denied.*\(AccessDenied\)"),
    ],
)
def test_a_bucket_that_can_not_be_used_is_one_sentence(
    guarded_bucket: Environments, monkeypatch: pytest.MonkeyPatch, user: str, changes: dict[str, str], place: str, reason: str
) -> None:
    become(guarded_bucket[user], monkeypatch, **changes)
    expected = rf"^checkpoints can't be kept in {place}/a: {reason}; correct the address \(platform\.checkpoints\) or what the AWS_"
    with pytest.raises(InputError, match=expected) as caught, checkpoint_folder(place, "a"):
        raise AssertionError
    assert "\n" not in str(caught.value)
    assert guarded_bucket[user]["AWS_SECRET_ACCESS_KEY"] not in str(caught.value) and "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "root", ["gs://bucket/prefix", "s3://", "s3://me:hunter2@bucket", "s3://Bucket", "s3:///prefix", "s3://bucket/a b"]
)
def test_another_kind_of_address_is_refused(root: str) -> None:
    with pytest.raises(InputError, match=r"give a folder, or an address such as s3://bucket/prefix"), checkpoint_folder(root, "a"):
        raise AssertionError


@pytest.mark.parametrize(
    ("endpoint", "reason"), [("http://127.0.0.1:1", "Could not connect to the endpoint"), ("nonsense", "Invalid endpoint: nonsense")]
)
def test_a_store_that_does_not_answer_is_one_sentence(endpoint: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    become({"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "hunter2-of-the-store"}, monkeypatch, AWS_ENDPOINT_URL=endpoint)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # it would be asked five times, with growing pauses
    with pytest.raises(InputError, match=rf"^checkpoints can't be kept in {PLACE}/a: {reason}"), checkpoint_folder(PLACE, "a"):
        raise AssertionError
