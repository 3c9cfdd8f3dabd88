"""What is fetched from a real registry on SQLite."""

import hashlib
import shutil
from pathlib import Path

import pytest

from darkroom.registry.fetch import fetch_bundle, kept, previous_assignment
from darkroom.registry.package import bundle_sha256, log_bundle
from darkroom.registry.registry import (
    Version,
    alias_of,
    aliases,
    champion,
    champion_or_newest,
    find_version,
    register_version,
    safe_name,
    set_alias,
    set_tags,
    versions,
)
from darkroom.system.errors import InputError
from darkroom.tracking.log import log_files, set_run_tags
from darkroom.tracking.runs import client, start_run
from darkroom.tracking.step_run import step_run
from darkroom.tracking.tags import DATA_VERSION, DECISION, PREVIOUS, SHA256
from tests.finished import Finished, make
from tests.stores import use_copy


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run's artifacts."""
    return make(tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def laid_out(migrated_store: Path, work: Finished, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Version, Version]:
    """A database with two versions of `toys`: the first on data A, the second on data B, which continued the first's splits."""
    folder = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:
        database = use_copy(migrated_store, folder, patch)
        return database, add(work, folder / "1", "A", None, b"first"), add(work, folder / "2", "B", b"first", b"second")


@pytest.fixture
def two(laid_out: tuple[Path, Version, Version], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Version, Version]:
    """The two versions, in a store of this test's own."""
    database, first, second = laid_out
    use_copy(database, tmp_path / "mlflow-store", monkeypatch)
    return first, second


def add(work: Finished, place: Path, data: str, previous: bytes | None, splits: bytes) -> Version:
    run_id = start_run("toys", "run", {}, {}, "toys", data)
    (place / "split").mkdir(parents=True)
    (place / "split" / "splits.parquet").write_bytes(splits)
    if previous:
        (place / "split" / "previous.parquet").write_bytes(previous)
    log_files(run_id, place)
    example = (work.images.parent / "contact_sheet").read_bytes()
    logged = log_bundle(run_id, work.artifacts.model, example, {"accuracy": 0.9})
    sha = hashlib.sha256(previous).hexdigest() if previous else "none"
    return register_version("toys", run_id, logged, {SHA256: f"sha-{data}", DATA_VERSION: data, PREVIOUS: sha}, "a toy")


def test_versions_are_found_by_content(two: tuple[Version, Version]) -> None:
    assert [version.number for version in versions("toys")] == [2, 1]
    assert find_version("toys", "sha-A") == two[0]
    assert find_version("toys", "sha-C") is None
    assert versions("nothing") == []
    assert champion("nothing") is None


def test_an_alias_has_one_bearer(two: tuple[Version, Version]) -> None:
    first, second = two
    set_alias(first, "champion")
    set_alias(second, "challenger")
    assert [alias_of(first), alias_of(second)] == ["champion", "challenger"]
    set_alias(second, "champion")
    assert aliases("toys") == {"champion": 2}
    assert [alias_of(first), alias_of(second)] == ["", "champion"]


def test_new_data_continues_the_champion_and_known_data_what_it_had(two: tuple[Version, Version], tmp_path: Path) -> None:
    into = tmp_path / "previous"
    assert previous_assignment("toys", "A", into) is None
    named = {data: hashlib.sha256(data).hexdigest() + ".parquet" for data in (b"first", b"second")}
    assert previous_assignment("toys", "B", into) == into / named[b"first"]
    assert previous_assignment("toys", "C", into) is None  # there is no version that was registered completely
    set_alias(two[1], "champion")
    found = previous_assignment("toys", "C", into)
    assert found == into / named[b"second"]
    assert found.read_bytes() == b"second"
    assert previous_assignment("toys", "A", into) is None
    assert previous_assignment("toys", "B", into) == into / named[b"first"]
    assert previous_assignment("strangers", "A", into) is None
    assert sorted(path.name for path in into.iterdir()) == sorted(named.values())


def test_without_a_champion_the_newest_complete_version_stands_for_it(two: tuple[Version, Version], tmp_path: Path) -> None:
    assert champion_or_newest("toys") is None  # a crash kept both from being decided upon
    for version in two:
        set_tags(version, {DECISION: "challenger"})
        set_alias(version, "challenger")
        found = champion_or_newest("toys")
        assert found is not None
        assert found.number == version.number
    assert fetch_bundle("toys", tmp_path / "cache").name == "sha-B"
    continued = previous_assignment("toys", "C", tmp_path / "previous")
    assert continued is not None
    assert continued.read_bytes() == b"second"
    set_alias(two[0], "champion")
    assert fetch_bundle("toys", tmp_path / "cache").name == "sha-A"


def test_what_a_run_does_not_keep_is_nothing(two: tuple[Version, Version], tmp_path: Path) -> None:
    assert kept(two[0], "evaluation", tmp_path) is None
    assert kept(two[0], "split/previous.parquet", tmp_path) is None


@pytest.mark.parametrize("reference", ["toys@champion", "toys/2", "models:/toys/2", "models:/toys@champion", "toys"])
def test_a_model_is_fetched_by_each_of_its_names(two: tuple[Version, Version], work: Finished, tmp_path: Path, reference: str) -> None:
    set_alias(two[1], "champion")
    bundle = fetch_bundle(reference, tmp_path / "cache")
    assert bundle == tmp_path / "cache" / "sha-B"
    assert bundle_sha256(bundle) == bundle_sha256(work.artifacts.model)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["sha-B"]


def test_a_model_is_fetched_by_its_run_and_the_run_s_steps(
    two: tuple[Version, Version], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = two[0].run_id
    set_run_tags(run_id, {"darkroom.model_name": "toys", "darkroom.model_version": "1"})
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with step_run("train", {}) as step:
        pass
    assert fetch_bundle(run_id, tmp_path) == fetch_bundle(step.run_id, tmp_path) == tmp_path / "sha-A"


def test_a_folder_is_taken_as_it_is(work: Finished, tmp_path: Path) -> None:
    assert fetch_bundle(str(work.artifacts.model), tmp_path / "cache") == work.artifacts.model
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("reference", ["nothing", "toys@nobody", "toys/9", "toys/x", "a/b/c", "0" * 32, "it's@champion", ""])
def test_an_unknown_model_is_answered_with_what_there_is(two: tuple[Version, Version], tmp_path: Path, reference: str) -> None:
    with pytest.raises(InputError, match=r"there is no model '.*|there is no model \".*") as caught:
        fetch_bundle(reference, tmp_path)
    assert "the registry has toys (versions up to 2)" in str(caught.value)


def test_an_empty_registry_says_so(mlflow_store: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no model 'toys': the registry has none yet"):
        fetch_bundle("toys", tmp_path)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no model: the folder has no model\.json"):
        fetch_bundle(str(tmp_path), tmp_path / "cache")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("weather4", "weather4"),
        ("a/b:c", "a-b-c"),
        ("it's", "it-s"),
        ("Wetter für heute", "Wetter für heute"),
        ("..", "model"),
        ("", "model"),
    ],
)
def test_a_safe_name_is_kept_or_mended(mlflow_store: Path, text: str, name: str) -> None:
    assert safe_name(text) == name
    client().create_registered_model(name)
    assert versions(name) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "same"),
    [
        ("model.json", '"latency_ms_after": 1.5', '"latency_ms_after": 9.5', True),
        ("model.json", '"macs_ratio": 0.5', '"macs_ratio": 0.6', False),
        ("weights.safetensors", "", "x", False),
        ("model.onnx", "", "x", False),
    ],
)
def test_a_model_s_hash_holds_all_but_the_clock(work: Finished, file: str, old: str, new: str, same: bool, tmp_path: Path) -> None:
    bundle = shutil.copytree(work.artifacts.pruned_model, tmp_path / "bundle")
    before = bundle_sha256(bundle)
    content = (bundle / file).read_bytes()
    (bundle / file).write_bytes(content.replace(old.encode(), new.encode()) if old else content + new.encode())
    assert (bundle_sha256(bundle) == before) is same
