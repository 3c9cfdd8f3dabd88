"""Data at an address is fetched whole, over real HTTP and a real store, and continued after a break."""

import contextlib
import http.server
import io
import math
import struct
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom.manifest import Manifest, read
from darkroom.system.errors import InputError
from darkroom.versions import stored_data
from darkroom.versions.addresses import fetched, is_address, parse_address
from darkroom.versions.data_version import data_version, has_version
from darkroom.versions.stored_data import StoredAddress, StoredFile
from tests.layouts import by_path, lay, picture

PETS = [f"{kind}/{number}.png" for kind in ("cat", "dog") for number in range(3)]


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(stored_data, "WAITS_S", (0, 0))
    return tmp_path / "cache" / "darkroom" / "sources"


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for number, path in enumerate(PETS):
            packed.writestr(path, picture(number) + bytes(50_000))  # larger than what is sent before a break
    return file.getvalue()


class Server(http.server.BaseHTTPRequestHandler):
    """Sends one file, or the part that is asked for; breaks off after `budget` bytes in all."""

    content = b""
    tag = '"v1"'
    budget = 10**9
    ranges = True
    breaks = 0  # so many requests are not answered
    asked: list[str] = []  # noqa: RUF012

    def do_HEAD(self) -> None:
        self._answer(0, len(self.content), 200)

    def do_GET(self) -> None:
        if type(self).breaks:
            type(self).breaks -= 1
            self.close_connection = True
            return
        wanted = self.headers.get("Range", "")
        self.asked.append(wanted)
        if not (wanted and self.ranges):
            self._answer(0, len(self.content), 200, body=True)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        self._answer(int(first), min(int(last or 10**9) + 1, len(self.content)), 206, body=True)

    def _answer(self, start: int, end: int, status: int, *, body: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(end - start))
        if self.tag:
            self.send_header("ETag", self.tag)
        if self.ranges:
            self.send_header("Accept-Ranges", "bytes")
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(self.content)}")
        self.end_headers()
        if body:
            part = self.content[start:end][: max(type(self).budget, 0)]
            type(self).budget -= len(part)
            self.wfile.write(part)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[type[Server], str]]:
    handler = type("Handler", (Server,), {"content": archive(), "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield handler, f"http://127.0.0.1:{running.server_port}/pets.zip"
        running.shutdown()


def ingested(address: str, out: Path, version: str = "", **settings: object) -> Manifest:
    ingest(Path(address), out / "images", out / "manifest", config=IngestConfig.model_validate(settings), data_version=version)
    return read(out / "manifest")


@pytest.mark.parametrize("ranges", [True, False])
def test_an_archive_is_read_over_http(server: tuple[type[Server], str], tmp_path: Path, ranges: bool, own_folders: Path) -> None:
    handler, address = server
    handler.ranges = ranges
    version = data_version(Path(address))
    assert list(by_path(ingested(address, tmp_path / "out", version))) == PETS
    assert not [path for path in own_folders.iterdir() if path.is_dir()]  # what was fetched goes when it was read
    assert has_version(Path(address), version)
    handler.content = handler.content[:-1]
    assert data_version(Path(address)) != version
    with pytest.raises(InputError, match="not the version"):
        ingested(address, tmp_path / "out", version)


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_download_goes_on(server: tuple[type[Server], str], monkeypatch: pytest.MonkeyPatch, ranges: bool) -> None:
    handler, address = server
    handler.ranges = ranges
    monkeypatch.setattr(stored_data, "CHUNK_BYTES", 2**16)
    handler.budget = 200_000
    with pytest.raises(InputError, match=r"pets\.zip can't be read"), fetched(Path(address), ""):
        pass
    handler.budget = 10**9
    handler.asked.clear()
    with fetched(Path(address), "") as place:
        assert place.read_bytes() == handler.content
    if ranges:
        assert not any(asked.startswith("bytes=0-") for asked in handler.asked[1:])


def test_a_download_is_tried_again(server: tuple[type[Server], str]) -> None:
    handler, address = server
    handler.breaks = 2
    with fetched(Path(address), "") as place:
        assert place.read_bytes() == handler.content
    assert handler.breaks == 0


def test_what_changes_while_it_is_fetched_is_refused(
    server: tuple[type[Server], str], monkeypatch: pytest.MonkeyPatch, own_folders: Path
) -> None:
    handler, address = server
    headers = handler.end_headers

    def changing(request: Server) -> None:
        headers(request)
        if request.command == "GET":  # before the body is sent: once that has come, the client asks again at once
            handler.tag = '"v2"'

    monkeypatch.setattr(handler, "end_headers", changing)
    with pytest.raises(InputError, match="it was changed since"), fetched(Path(address), ""):
        pass
    assert not [path for path in own_folders.iterdir() if path.is_dir()]


def test_a_server_that_does_not_tell_of_changes_is_refused(server: tuple[type[Server], str]) -> None:
    handler, address = server
    handler.tag = ""
    with pytest.raises(InputError, match=r"neither a hash of pets\.zip nor when it was changed.*: fetch it"):
        data_version(Path(address))


def test_a_folder_in_a_store_is_read(tmp_path: Path) -> None:
    store = MemoryFileSystem()
    for number, path in enumerate(PETS):
        store.pipe(f"/store/pets/{path}", picture(number))
    address = "memory://store/pets"
    version = data_version(Path(address))
    manifest = ingested(address, tmp_path / "out", version)
    assert by_path(manifest) == {path: path.partition("/")[0] for path in PETS}
    store.pipe(f"/store/pets/{PETS[0]}", picture(99))
    assert data_version(Path(address)) != version


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("gs://bucket/pets", "gs://bucket/pets needs a package that is not installed: .*gcsfs"),
        ("https://me:hunter2@host/pets.zip", "holds a name, a password or a query"),
        ("https://host/pets.zip?signature=abc", "holds a name, a password or a query"),
        ("nowhere://bucket/pets", "is no address that can be read"),
        ("file:///srv/pets", "file:///?srv/pets' is on this machine: name its path alone"),
        ("https://host/pets.zip::s3://me:hunter2@bucket/x", "holds `::`: name one address alone"),
        ("s3://bucket/../pets", "is no address that can be read"),
        ("torchvision://CIFAR10?split=x", "has not the form torchvision://NAME"),
        ("torchvision://FakeData", "torchvision has no data set 'FakeData'"),
        ("torchvision://os", "torchvision has no data set 'os'"),
    ],
)
def test_a_wrong_address_is_answered_with_what_to_do(address: str, message: str) -> None:
    for source in (Path(address), Path(str(Path(address)))):
        assert is_address(source)
        with pytest.raises(InputError, match=message) as caught:
            data_version(source)
        assert "hunter2" not in str(caught.value)


def test_what_is_wrong_with_fetched_data_is_said_of_the_address(tmp_path: Path) -> None:
    MemoryFileSystem().pipe("/alone/pets/cat/1.png", picture(1))
    with pytest.raises(InputError, match=r"^memory://alone/pets holds only one class, 'cat': ") as caught:
        ingested("memory://alone/pets", tmp_path / "out", data_version(Path("memory://alone/pets")))
    assert str(caught.value).startswith(caught.value.problem)


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(InputError, match="does not exist"):
        data_version(Path("memory://store/nothing"))


@pytest.mark.parametrize("path", ["data", "a/b.zip", "C:/data", "a:b"])
def test_a_path_is_no_address(path: str) -> None:
    assert not is_address(path)
    assert parse_address("s3://bucket/pets.tar.gz").title == "pets"


def test_equal_places_on_two_hosts_are_two_files() -> None:
    file = StoredFile("/data/a.png", 5, "mtime=1", in_parts=True, changed_s=1.0)  # SFTP's and FTP's places have no host
    one, two = (StoredAddress("sftp", f"{host}/data")._identity("a.png", file) for host in ("one", "two"))
    assert "" != one != two != ""


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({"ETag": '"a"', "LastModified": datetime(2026, 11, 29, tzinfo=UTC)}, 0.0),
        ({"LastModified": datetime(2026, 11, 29, 20, 16, 12, tzinfo=UTC)}, 1795983372.0),
        ({"mtime": datetime(2026, 11, 29, 20, 16, 12)}, 1795983372.0),
        ({"mtime": 1795983372.5}, 1795983372.5),
        ({"updated": "2026-11-29T20:16:12.500Z"}, 1795983372.5),
        ({"Last-Modified": "Sun, 29 Nov 2026 20:16:12 GMT"}, 1795983372.0),
        ({"modify": "20261129201612"}, 1795983372.0),
        ({"modify": "1795983372"}, math.inf),
        ({"modify": "Nov 29 20:16"}, math.inf),
    ],
    ids=str,
)
def test_when_a_file_was_changed_is_read_in_the_forms_of_the_stores(said: dict[str, object], seconds: float) -> None:
    assert stored_data._stored("a", {"size": 1, **said}).changed_s == seconds


def mnist(root: Path, numbers: dict[str, list[int]]) -> Path:
    """The files of MNIST, with few pictures."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for start, (name, labels) in zip((0, 50), numbers.items(), strict=True):
        pictures = b"".join(bytes([start + number]) * 28 * 28 for number in range(len(labels)))
        (folder / f"{name}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, len(labels), 28, 28) + pictures)
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, len(labels)) + bytes(labels))
    return root


def test_a_data_set_of_torchvision_is_read_with_its_classes_and_splits(tmp_path: Path) -> None:
    root = mnist(tmp_path / "root", {"train": [0, 1, 1, 7], "t10k": [1, 0]})
    address = f"torchvision://MNIST?root={root}"
    version = data_version(Path(address))
    manifest = ingested(address, tmp_path / "out", version)
    assert list(by_path(manifest).values()) == ["1 - one", "0 - zero", "0 - zero", "1 - one", "1 - one", "7 - seven"]
    assert list(by_path(manifest, "given_split").values()) == ["test"] * 2 + ["train"] * 4
    assert set(manifest.column("width")) == {28}
    assert parse_address(Path(address)).text == address
    (root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, 2) + bytes([0, 0]))
    with pytest.raises(InputError, match="not the version"):
        ingested(address, tmp_path / "out", version)


def test_what_a_data_set_of_torchvision_trains_on_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    base, names = tmp_path / "oxford-iiit-pet", [f"{breed}_{number}" for breed in ("Abyssinian", "beagle") for number in (1, 2)]
    rows = {name: f"{name} {1 + place // 2} 1 1" for place, name in enumerate(names)}
    lines = {split: [row for name, row in rows.items() if name.endswith(end)] for split, end in (("trainval", "1"), ("test", "2"))}
    texts = {f"annotations/{split}.txt": "\n".join(part) + "\n" for split, part in lines.items()}
    lay(base, [f"images/{name}.jpg" for name in names], texts)
    manifest = ingested(f"torchvision://OxfordIIITPet?root={tmp_path}", tmp_path / "out")
    assert manifest.classes == ("Abyssinian", "Beagle")
    assert sorted(zip(manifest.column("label"), manifest.column("given_split"), strict=True), key=str) == [
        ("Abyssinian", "test"), ("Abyssinian", None), ("Beagle", "test"), ("Beagle", None)
    ]  # fmt: skip


def test_a_data_set_that_is_not_there_and_can_not_be_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "_opener", None)  # it would keep the proxy for all tests that follow
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"torchvision://CIFAR10.* is not in .*, and can't be downloaded .*: put its files there"):
        data_version(Path(f"torchvision://CIFAR10?root={tmp_path}"))


def test_a_folder_of_a_bucket_is_read_also_in_parts(
    guarded_bucket: dict[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in guarded_bucket["writer"].items():
        monkeypatch.setenv(name, value)
    with contextlib.closing(boto3.Session().client("s3")) as client:
        for number, path in enumerate(PETS):
            client.put_object(Bucket="artifacts", Key=f"pets/{path}", Body=picture(number))
        address = Path("s3://artifacts/pets")
        version = data_version(address)
        assert list(by_path(ingested(str(address), tmp_path / "out", version))) == PETS
        for part in ("1/2", "2/2", ""):
            out, config = tmp_path / f"part{part[:1]}", IngestConfig()
            ingest(address, out / "images", out / "manifest", config=config, data_version=version, store=tmp_path / "store", part=part)
        assert [line.partition(": ")[2] for line in capsys.readouterr().out.splitlines() if line.startswith("fetching")] == [
            f"{number} of 6 file(s)" for number in (6, 3, 3, 0)
        ]
        for name in ("manifest", "images/images-00000.arrow"):
            assert (tmp_path / "part" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
        client.put_object(Bucket="artifacts", Key=f"pets/{PETS[0]}", Body=picture(99))
        assert data_version(address) != version
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(InputError, match="s3://artifacts/pets can't be read"):
        data_version(address)
