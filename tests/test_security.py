"""Files and addresses that a stranger wrote: nothing of them is run, nothing is written elsewhere, the answer is one sentence."""

import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
import yaml
from PIL import Image

from components.clean.clean import clean
from components.clean.config import CleanConfig
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from components.split.constraints import read_previous
from darkroom import issues, manifest
from darkroom.images import Images, ImageWriter
from darkroom.model import CARD, GRAPH, WEIGHTS, ModelCard, Predictor
from darkroom.networks import weights
from darkroom.networks.export import load_network, save_model
from darkroom.networks.network import build
from darkroom.registry import fetch
from darkroom.system.config import read_params
from darkroom.system.errors import InputError
from darkroom.training import checkpoint
from darkroom.versions.data_version import data_version, fetch_version, recorded_version
from darkroom.versions.repository import own_repository, parse_address
from tests import malicious
from tests.malicious import MARKER

pytestmark = pytest.mark.counted("malicious files and addresses")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder; when the test is over, no program has run and nothing stands beside it."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    yield work
    assert not MARKER.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"work"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as it should be."""
    made = tmp_path_factory.mktemp("bundle") / "model"
    card = ModelCard("small_cnn", ("cat", "dog"), "multiclass", 16, (0.5,) * 3, (0.25,) * 3)
    save_model(made, build("small_cnn", 2, side_px=16), card)
    return made


def pictures(root: Path) -> Path:
    for number, name in enumerate(("cat/0.png", "dog/1.png", "dog/2.png")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (90 * number, 0, 0)).save(root / name)
    return root


def taken(source: Path) -> dict[str, float]:
    return ingest(source, Path("images"), Path("manifest"), config=IngestConfig(), data_version="")


def refused(words: str, action: Callable[[], object]) -> str:
    """The one sentence that a user's mistake gets."""
    with pytest.raises(InputError, match=words) as caught:
        action()
    sentence = str(caught.value)
    assert "\n" not in sentence and "Traceback" not in sentence and len(sentence) < 1200
    return sentence


@pytest.mark.parametrize("name", malicious.IMAGES)
def test_a_malicious_image_is_left_out_and_counted(name: str) -> None:
    data = pictures(Path("data"))
    (data / "cat" / name).write_bytes(malicious.IMAGES[name]())
    measures = taken(data)
    clean(Path("images"), Path("manifest"), Path("cleaned"), Path("issues"), config=CleanConfig())
    findings = issues.read(Path("issues"))
    dropped = findings[findings["action"] == "dropped"]["path"].tolist()
    assert dropped == [f"cat/{name}"] or (measures["num_ignored"], dropped) == (1, [])
    assert manifest.read(Path("cleaned")).column("path") == ["cat/0.png", "dog/1.png", "dog/2.png"]


@pytest.mark.parametrize("name", malicious.ARCHIVES)
def test_a_malicious_archive_is_refused(name: str) -> None:
    make, words = malicious.ARCHIVES[name]
    Path(name).write_bytes(make())
    assert name in refused(words, lambda: taken(Path(name)))
    assert [path.name for path in Path().iterdir()] == [name]


@pytest.mark.parametrize("name", malicious.TABLES)
def test_a_malicious_table_is_refused_or_read_as_text(name: str) -> None:
    make, words = malicious.TABLES[name]
    (pictures(Path("data")) / name).write_bytes(make())
    if words:
        refused(words, lambda: taken(Path("data") / name))
    else:
        assert taken(Path("data") / name)["num_files"] == 2


WEIGHTS_FILES: dict[str, Callable[[Path], object]] = {
    "zip.pth": lambda path: torch.save({"weight": malicious.payload()}, path),
    "zip.pt": lambda path: torch.save(malicious.payload(), path),
    "zip.ckpt": lambda path: torch.save({"state_dict": malicious.payload()}, path),
    "legacy.pth": lambda path: torch.save(malicious.payload(), path, _use_new_zipfile_serialization=False),
    "pickle.pth": lambda path: path.write_bytes(malicious.pickled()),
    "pickle.safetensors": lambda path: path.write_bytes(malicious.pickled()),
    "zip.safetensors": lambda path: torch.save(malicious.payload(), path),
    "objects.npy": lambda path: path.write_bytes(malicious.numpy_objects()),
    "empty.pth": lambda path: path.write_bytes(b""),
    "tar.pth": lambda path: path.write_bytes(malicious.tarred("pickle")),
}


@pytest.mark.parametrize("name", WEIGHTS_FILES)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_malicious_weights_are_refused(name: str) -> None:
    WEIGHTS_FILES[name](Path(name))
    network = build("small_cnn", 2, side_px=16)
    assert name in refused("which holds more than tensors|which can't be read", lambda: weights.load(network, "small_cnn", name))


def test_a_malicious_file_among_those_that_torch_keeps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import models

    monkeypatch.setenv("TORCH_HOME", str(Path("torch").absolute()))
    place = Path("torch/hub/checkpoints")
    place.mkdir(parents=True)
    torch.save(malicious.payload(), place / models.get_model_weights("resnet18").DEFAULT.url.rpartition("/")[2])
    refused("holds more than tensors", lambda: weights.load(build("resnet18", 2, side_px=32), "resnet18", "DEFAULT"))


@pytest.mark.parametrize("state", [malicious.payload(), {}, [1]], ids=["pickle", "empty", "list"])
def test_a_malicious_checkpoint_is_not_loaded(state: object, capsys: pytest.CaptureFixture[str]) -> None:
    file = io.BytesIO()
    torch.save(state, file)
    (Path(checkpoint.NAME)).write_bytes(hashlib.sha256(file.getvalue()).digest() + file.getvalue())
    assert checkpoint.load(Path(), {"epochs": 1}) is None
    assert "from the beginning" in capsys.readouterr().out


MEANINGS = {"none": b"{}", "list": b"[]", "kind": b'{"classes": [1], "task": "binary", "data_version": ""}', "bytes": b"\xff"}
PREVIOUS: dict[str, Callable[[], bytes]] = {
    "pickle": malicious.pickled,
    "pandas": lambda: malicious.parquet(malicious.ROWS, {b"pandas": malicious.pickled()}),
    "extension": malicious.extended,
    **{name: lambda text=text: malicious.parquet(malicious.ROWS, {b"darkroom": text}) for name, text in MEANINGS.items()},  # type: ignore[misc]
}


@pytest.mark.parametrize("name", PREVIOUS)
def test_malicious_earlier_splits_are_refused(name: str) -> None:
    Path("splits.parquet").write_bytes(PREVIOUS[name]())
    now = manifest.Manifest(manifest.make_table({"path": ["a"], "label": ["cat"]}), ("cat", "dog"), "binary", "")
    refused("can't be read", lambda: read_previous(Path("splits.parquet"), now))


def test_a_shard_with_a_pickled_type_is_read_as_bytes() -> None:
    schema = pa.schema([pa.field("image_id", pa.string()), malicious.extension().with_name("bytes")])
    Path("images").mkdir()
    with pa.ipc.new_file("images/images-00000.arrow", schema) as writer:
        writer.write_batch(pa.record_batch([pa.array(["a"]), pa.array([b"picture"])], schema=schema))
    assert Images(Path("images"))["a"] == b"picture"


def test_a_shard_whose_offsets_lead_out_of_it_is_an_error() -> None:
    with ImageWriter(Path("images")) as writer:
        writer.add(b"a picture")
    shard = Path("images/images-00000.arrow")
    offsets = np.array([0, 9], np.int64).tobytes()
    assert shard.read_bytes().count(offsets) == 1
    shard.write_bytes(shard.read_bytes().replace(offsets, np.array([0, 2**40], np.int64).tobytes()))
    with pytest.raises(pa.ArrowInvalid, match="1099511627776"):
        Images(Path("images"))


BUNDLES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "absolute weights": (GRAPH, lambda: malicious.graph("/etc/passwd")),
    "weights above": (GRAPH, lambda: malicious.graph("../secret")),
    "linked weights": (GRAPH, lambda: malicious.graph("link")),
    "pickled graph": (GRAPH, malicious.pickled),
    "pickled card": (CARD, malicious.pickled),
    "huge card": (CARD, lambda: json.dumps({"side_px": 10**9, "classes": ["a"], "task": "multiclass"}).encode()),
    "nested card": (CARD, malicious.NESTED.encode),
}


@pytest.mark.parametrize("name", BUNDLES)
def test_a_malicious_bundle_is_refused(name: str, bundle: Path) -> None:
    Path("secret").write_bytes(bytes(8))
    shutil.copytree(bundle, "model")
    Path("model/link").symlink_to("../secret")
    file, make = BUNDLES[name]
    (Path("model") / file).write_bytes(make())
    refused("model is no model: its", lambda: Predictor(fetch.fetch_bundle("model", Path("cache"))))


def test_pickled_weights_of_a_bundle_are_refused(bundle: Path) -> None:
    shutil.copytree(bundle, "model")
    Path("model", WEIGHTS).write_bytes(malicious.pickled())
    refused("model is no model: its weights", lambda: load_network(Path("model")))


@pytest.mark.parametrize("text", [f"train: {malicious.TAGGED}", f"train: {malicious.NESTED}", "\0"], ids=["program", "nested", "nul"])
def test_malicious_settings_are_refused(text: str) -> None:
    Path("params.yaml").write_text(text)
    refused("is not valid YAML", lambda: read_params(Path("params.yaml")))


def test_a_program_in_a_setting_of_the_command_line_stays_text() -> None:
    Path("params.yaml").write_text("train: {epochs: 1}")
    assert read_params(Path("params.yaml"), (f"train.weights={malicious.TAGGED}",))["train"]["weights"] == malicious.TAGGED


@pytest.mark.parametrize(
    "text", [f"outs: {malicious.TAGGED}", f"outs: {malicious.NESTED}", "- a", "\0"], ids=["program", "nested", "list", "nul"]
)
def test_a_malicious_dvc_file_is_refused(text: str) -> None:
    Path("data.dvc").write_text(text)
    refused(r"data\.dvc is no \.dvc file", lambda: recorded_version(Path("data")))


ADDRESSES = (
    f"git+ext::sh -c touch% {MARKER}#data",
    "git+fd::17#data",
    f"git+--upload-pack=touch {MARKER}#data",
    f"git+https://example.org/images.git@--upload-pack=touch {MARKER}#data",
    f"git+ssh://-oProxyCommand=touch {MARKER}/images.git#data",
    "git+https://example.org/images.git#../../etc",
    "git+https://example.org/images.git#/etc",
    "git+https://example.org/images.git@a\nb#data",
)
WITH_SECRETS = (
    "git+https://me:hunter22@example.org/images.git#data",
    "git+https://me:hunter22/x@example.org/images.git#data",
    "git+HTTPS://me:hunter22@example.org/images.git#data",
    "git+https://hunter22@example.org/images.git#data",
    "git+ssh://me:hunter22@example.org/images.git#data",
)


@pytest.mark.parametrize("address", [*ADDRESSES, *WITH_SECRETS])
def test_a_malicious_address_is_refused_before_anyone_is_asked(address: str) -> None:
    for way in (address, Path(address)):
        assert "hunter22" not in refused("the data source", lambda way=way: parse_address(way))  # type: ignore[misc]


@pytest.mark.parametrize("address", ["https://example.org:8443/a.git", "ssh://git@example.org/a.git", "file:///srv/a", "/srv/a b", "../a"])
def test_an_address_without_malice_is_taken(address: str) -> None:
    assert parse_address(f"git+{address}@feature/1#data/x").repository == address


@pytest.mark.parametrize("path", ["../../outside", "/outside", "b/../../../outside", "a//b"])
def test_a_list_of_files_that_leads_out_of_the_data_is_refused(path: str, folder: Path) -> None:
    version = storage(Path("remote"), [path, "a/0.png"])
    subprocess.run(["git", "init", "-q"], check=True)
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text(f"[core]\n    remote = store\n['remote \"store\"']\n    url = {folder / 'remote'}\n")
    refused("a path that leads out of it", lambda: fetch_version(version, Path("into/data")))
    assert not Path("into").exists() or not list(Path("into").rglob("*"))


def storage(remote: Path, paths: list[str]) -> str:
    """A DVC storage that a stranger wrote by hand, with a list of files in it."""

    def put(data: bytes, ending: str = "") -> str:
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        place = remote / "files" / "md5" / md5[:2] / f"{md5[2:]}{ending}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        return md5

    files = [{"md5": put(path.encode()), "relpath": path} for path in paths]
    return put(json.dumps(files).encode(), ".dir") + ".dir"


@pytest.mark.slow
@pytest.mark.parametrize("path", ["../../outside", "b/../../../outside"])
def test_a_foreign_repository_whose_list_leads_out_of_the_data_is_refused(path: str, folder: Path) -> None:
    foreign = folder / "foreign"
    version = storage(folder / "remote", [path, "a/0.png"])
    (foreign / ".dvc").mkdir(parents=True)
    (foreign / ".dvc" / "config").write_text(f"[core]\n    remote = store\n['remote \"store\"']\n    url = {folder / 'remote'}\n")
    (foreign / "data.dvc").write_text(yaml.safe_dump({"outs": [{"md5": version, "hash": "md5", "path": "data"}]}))
    for words in ("init -q", "add -A", "-c user.name=a -c user.email=a@example.org commit -q -m x"):
        subprocess.run(["git", *words.split()], cwd=foreign, check=True)
    refused("a path that leads out of it", lambda: taken(Path(f"git+file://{foreign}#data")))


def test_the_notes_of_dvc_are_where_only_this_user_writes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC unpickles them, and keeps them by default where everybody may put some."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.delenv("DVC_SITE_CACHE_DIR", raising=False)
    subprocess.run(["git", "init", "-q"], check=True)
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text(f"[core]\n    site_cache_dir = {folder / 'everybodys'}\n")
    data_version(pictures(Path("data")))
    with own_repository() as repository:
        notes = Path(repository.site_cache_dir)
    assert notes.is_relative_to(folder / "cache" / "darkroom" / "dvc") and notes.is_dir()
    assert stat.S_IMODE((folder / "cache" / "darkroom" / "dvc").stat().st_mode) == 0o700
    assert not (folder / "everybodys").exists()


PARTS = ("../../../secret", "evaluation/../../../../secret", "//etc/passwd", "evaluation/%2e%2e/secret", "#../secret", "")


@pytest.mark.parametrize("artifact", PARTS)
def test_an_artifact_outside_of_what_a_run_keeps_is_refused(artifact: str) -> None:
    Path("into").mkdir()
    refused("names nothing that a run keeps", lambda: fetch.fetch_artifact(f"runs:/{'a' * 32}/{artifact}", Path("into")))
    assert os.listdir("into") == []  # noqa: PTH208
