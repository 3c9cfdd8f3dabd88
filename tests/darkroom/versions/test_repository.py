"""Data versions in real git and DVC repositories, over real HTTP too."""

import base64
import http.server
import io
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import PIL.Image
import pytest
import yaml

from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom.images import Images
from darkroom.manifest import read
from darkroom.system.errors import InputError
from darkroom.versions import repository as repository_module
from darkroom.versions.addresses import fetched
from darkroom.versions.data_version import check_source, data_version, difference, fetch_version
from darkroom.versions.dvc_cache import linked
from darkroom.versions.repository import Address, parse_address
from tests import forks
from tests.pipelines.conftest import ROOT, shapes
from tests.servers import clean_environment

GIT = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"}


def command(folder: Path, *words: str) -> None:
    if words[0] == "dvc":
        forks.dvc(*words[1:], folder=folder)
    else:
        subprocess.run(words, cwd=folder, env={**os.environ, **GIT}, check=True, capture_output=True)


class Repository:
    """Two data versions, tagged v1 and v2, in a store beside the repository."""

    def __init__(self, root: Path, remote: str = "") -> None:
        self.folder, self.store, self.md5s = root / "images", root / "store", dict[str, str]()
        self.folder.mkdir(parents=True)
        for words in ("git init -q -b main", "dvc init -q", f"dvc remote add -q -d store {remote or self.store}"):
            command(self.folder, *words.split())
        shapes(self.folder / "data", num_images=2)
        self._version("v1")
        (self.folder / "data" / "left" / "left 00.png").unlink()
        self._version("v2")

    def _version(self, tag: str) -> None:
        for words in ("dvc add -q data", "dvc push -q", "git add -A", f"git commit -q -m {tag}", f"git tag {tag}"):
            command(self.folder, *words.split())
        self.md5s[tag] = yaml.safe_load((self.folder / "data.dvc").read_text())["outs"][0]["md5"]

    def address(self, revision: str = "@v1", path: str = "data") -> Path:
        return Path(f"git+file://{self.folder}{revision}#{path}")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("repository"))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("git+https://host/team/repo.git@v1#data", Address("https://host/team/repo.git", "v1", "data", "")),
        ("git+ssh://me@host/repo@feature/x#a/b.zip", Address("ssh://me@host/repo", "feature/x", "a/b.zip", "")),
        ("git+ssh://git@host:2222/repo.git#data", Address("ssh://git@host:2222/repo.git", "", "data", "")),
        ("git+ssh://git@host/repo.git@1a2b#data&remote=s3", Address("ssh://git@host/repo.git", "1a2b", "data", "s3")),
        ("git+file:///srv/repo@v1#data", Address("file:///srv/repo", "v1", "data", "")),
        ("git+/srv/repo#data", Address("/srv/repo", "", "data", "")),
    ],
)
def test_an_address_is_read_also_after_a_path_has_folded_it(text: str, address: Address) -> None:
    assert parse_address(text) == parse_address(Path(text)) == address
    assert address.text == text


@pytest.mark.parametrize("text", ["git+https://host/repo.git", "git+https://host/repo.git@v1#../x", "git+#data", "git+https://h/r@v#/abs"])
def test_what_is_no_address_is_told_with_the_form_of_one(text: str) -> None:
    with pytest.raises(InputError, match=r"has not the form git\+ADDRESS@REVISION#PATH"):
        check_source(Path(text))


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError, match="holds a name, password or token; leave it out") as caught:
        parse_address("git+https://me:hunter2@host/repo.git@v1#data")
    assert "hunter2" not in str(caught.value)


def test_the_version_is_what_the_revision_records_and_nothing_is_downloaded(repository: Repository, tmp_path: Path) -> None:
    hidden = repository.store.rename(tmp_path / "hidden")
    try:
        assert data_version(repository.address()) == repository.md5s["v1"] != repository.md5s["v2"]
        assert data_version(repository.address("")) == repository.md5s["v2"]
        assert difference(repository.address(), repository.md5s["v1"]) == ""
    finally:
        hidden.rename(repository.store)


def test_ingest_packs_a_data_version_as_it_packs_the_folder(repository: Repository, tmp_path: Path) -> None:
    measures = {}
    command(repository.folder, "git", "checkout", "-q", "v1")
    command(repository.folder, "dvc", "checkout", "-q")
    for name, source in {"fetched": repository.address(), "folder": repository.folder / "data"}.items():
        md5 = repository.md5s["v1"]
        measures[name] = ingest(source, tmp_path / name, tmp_path / f"{name}.parquet", config=IngestConfig(), data_version=md5)
    assert measures["fetched"] == measures["folder"]
    assert (tmp_path / "fetched.parquet").read_bytes() == (tmp_path / "folder.parquet").read_bytes()
    assert list(Images(tmp_path / "fetched")) == list(Images(tmp_path / "folder"))
    assert read(tmp_path / "fetched.parquet").data_version == repository.md5s["v1"]


def test_a_data_version_is_fetched_in_parts_each_file_once(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files, plain = list[str](), repository_module._download_file
    monkeypatch.setattr(repository_module, "_download_file", lambda dvc, job: files.append(job[1].name) or plain(dvc, job))  # type: ignore[func-returns-value]
    written = []
    for part, store in (("", None), ("1/2", tmp_path / "store"), ("2/2", tmp_path / "store"), ("", tmp_path / "store")):
        out = tmp_path / part.replace("/", "-") / str(store is None)
        ingest(repository.address(), out / "images", out / "manifest", config=IngestConfig(), store=store, part=part)
        written.append([path.read_bytes() for path in (out / "manifest", *(out / "images").iterdir())])
    assert written[3] == written[0]
    assert sorted(files) == [f"{side} {number:02d}.png" for side in ("left", "right", "top") for number in range(2)]
    assert "read 0 of 6 files" in capsys.readouterr().out


@pytest.mark.slow
def test_a_copy_of_a_kept_image_that_is_no_data_stays_out(tmp_path: Path) -> None:
    repository, measures = Repository(tmp_path / "repository"), []
    tiff = io.BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(tiff, "TIFF")
    (repository.folder / "data/left/a.tif").write_bytes(tiff.getvalue())
    (repository.folder / "data/left/a.nef").write_bytes(tiff.getvalue())  # whose pixels are a thumbnail of what it holds
    (repository.folder / "data/__MACOSX").mkdir()
    shutil.copy(repository.folder / "data/left/left 01.png", repository.folder / "data/__MACOSX/a.png")
    shutil.copy(repository.folder / "data/left/left 01.png", repository.folder / "one")
    shutil.copy(repository.folder / "one", repository.folder / "data/left/plain")
    command(repository.folder, "dvc", "add", "-q", "one")
    repository._version("v3")
    for name, store in (("alone", None), ("first", tmp_path / "store"), ("second", tmp_path / "store")):
        out = tmp_path / name
        measures.append(ingest(repository.address("@v3"), out / "images", out / "manifest", config=IngestConfig(), store=store))
        assert (out / "manifest").read_bytes() == (tmp_path / "alone" / "manifest").read_bytes()
    assert measures[0] == measures[1] == measures[2]
    assert (measures[0]["num_ignored"], measures[0]["num_undecoded"]) == (1, 1)
    said = []
    for store in (None, tmp_path / "store"):  # an image alone is no source, which is said of a kept one, too
        with pytest.raises(InputError) as caught:
            ingest(repository.address("@v3", "one"), out / "images", out / "manifest", config=IngestConfig(), store=store)
        said.append(str(caught.value).rpartition("/one")[2])
    assert said[0] == said[1] != ""


def test_what_was_fetched_does_not_stay(repository: Repository) -> None:
    with fetched(repository.address(), "") as place:
        assert len(list(place.rglob("*.png"))) == 6
    assert not place.parent.exists()
    with pytest.raises(FileNotFoundError, match="mine"), fetched(repository.address(), "") as place:
        raise FileNotFoundError("mine")
    assert not place.parent.exists()


@pytest.mark.parametrize(
    ("revision", "path", "message"),
    [
        ("@v9", "data", r"data in file://\S+ at v9 can't be fetched: unknown Git revision 'v9'"),
        pytest.param("@v1", "other", r"other in file://\S+ at v1 can't be fetched: there is no /other", marks=pytest.mark.slow),
        ("@v1", "data/left", r"DVC does not track data/left in .*: name a folder or a file with a \.dvc file beside it"),
        ("@v1", "data&remote=nowhere", r"remote 'nowhere' doesn't exist"),
    ],
)
def test_what_is_not_there_is_one_sentence(repository: Repository, revision: str, path: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        data_version(repository.address(revision, path))


@pytest.mark.slow
def test_no_repository_at_the_address_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(InputError, match=r"can't be fetched: No git repository was found at"):
        data_version(Path(f"git+file://{tmp_path}/nowhere@v1#data"))
    with pytest.raises(InputError, match=r"can't be fetched: .*Connection refused"):
        data_version(Path("git+http://127.0.0.1:1/repo.git@v1#data"))
    assert list(tmp_path.iterdir()) == []
    assert tempfile.gettempdir() == str(tmp_path)


def test_a_revision_that_has_moved_is_another_version(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"is now {repository.md5s['v2'][:12]}, not the version 000000000000 of this run"):
        ingest(repository.address("@v2"), tmp_path / "images", tmp_path / "manifest", config=IngestConfig(), data_version="0" * 32)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_the_remote_lost_is_one_sentence(repository: Repository, tmp_path: Path) -> None:
    lost = max((path for path in repository.store.rglob("*") if path.is_file() and path.suffix != ".dir"), key=lambda path: path.name)
    hidden = lost.rename(tmp_path / "hidden")
    try:
        with pytest.raises(InputError, match=r"^data in file://\S+ at v1 can't be fetched: ") as caught:
            ingest(repository.address(), tmp_path / "images", tmp_path / "manifest", config=IngestConfig())
    finally:
        hidden.rename(lost)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def pull(repository: Repository, folder: Path) -> None:
    """In a clone with an empty cache, `dvc pull` lays out each version; and a version is read without a checkout of it."""
    command(folder, "git", "clone", "-q", str(repository.folder), "clone")
    for tag, number in (("v2", 5), ("v1", 6)):
        command(folder / "clone", "git", "checkout", "-q", tag)
        command(folder / "clone", "dvc", "pull", "-q")
        assert data_version(folder / "clone" / "data") == repository.md5s[tag]
        assert len(list((folder / "clone" / "data").rglob("*.png"))) == number
    shutil.rmtree(folder / "clone" / ".dvc" / "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "clone")
        with linked(repository.md5s["v2"], "data", pull=False) as place:
            assert place is None
        with linked(repository.md5s["v2"], "data", pull=True) as place:
            assert place and len(list(place.rglob("*.png"))) == 5
        assert fetch_version(repository.md5s["v1"], folder / "fetched")
    assert data_version(folder / "fetched") == repository.md5s["v1"]


def test_what_was_pushed_is_pulled(repository: Repository, tmp_path: Path) -> None:
    pull(repository, tmp_path)


class _GitOverHttp(http.server.BaseHTTPRequestHandler):
    """git's own server program, behind a password."""

    root: ClassVar[Path]
    wanted = "Basic " + base64.b64encode(b"me:hunter2").decode()

    def do_GET(self) -> None:
        if self.headers["Authorization"] != self.wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        variables = {"GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path, "QUERY_STRING": query}
        variables |= {"REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type") or ""}
        variables |= {"HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "", "CONTENT_LENGTH": str(len(body))}
        variables |= {"HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol") or ""}
        done = subprocess.run(["git", "http-backend"], input=body, env={**os.environ, **variables}, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        self.send_response(200)
        for line in head.decode().split("\r\n"):
            self.send_header(*line.split(": ", 1))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def git_server(repository: Repository) -> Iterator[str]:
    handler = type("Handler", (_GitOverHttp,), {"root": repository.folder.parent})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/images/.git"
        server.shutdown()


def test_git_takes_its_password_from_the_environment(git_server: str, repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    address = parse_address(f"git+{git_server}@v1#data")
    for variable in ("GIT_USERNAME", "GIT_PASSWORD"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(InputError, match="can't be fetched: "):
        address.version()
    monkeypatch.setenv("GIT_USERNAME", "me")
    monkeypatch.setenv("GIT_PASSWORD", "sesame")
    with pytest.raises(InputError, match="can't be fetched: ") as caught:
        address.version()
    assert "sesame" not in str(caught.value)
    monkeypatch.setenv("GIT_PASSWORD", "hunter2")
    before = dict(os.environ)
    assert address.version() == repository.md5s["v1"]
    assert dict(os.environ) == before


INGEST = """
import sys
from pathlib import Path
from darkroom.system.errors import InputError
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
try:
    ingest(Path(sys.argv[1]), Path("images"), Path("manifest"), config=IngestConfig(), data_version=sys.argv[2])
except InputError as error:
    sys.exit(str(error))
"""


@pytest.fixture(scope="module")
def on_s3(guarded_bucket: dict[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """The same two versions, in a bucket; v3 says that they are in one that does not exist."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in guarded_bucket["writer"].items():
            patch.setenv(name, value)
        made = Repository(tmp_path_factory.mktemp("on-s3"), "s3://artifacts/dvc")
    for words in ("dvc remote modify -q store url s3://nowhere/dvc", "git commit -q -a -m v3", "git tag v3"):
        command(made.folder, *words.split())
    return made


def ingest_on_s3(folder: Path, address: Path, version: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """In a process of its own: clients of S3 keep their first credentials."""
    (folder / "tmp").mkdir()
    given = {**clean_environment(), **environment, "TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT)}
    program = [sys.executable, "-c", INGEST, str(address), version]
    return subprocess.run(program, cwd=folder, env=given, check=False, capture_output=True, text=True)


@pytest.mark.slow
def test_a_data_version_in_a_bucket_is_packed(on_s3: Repository, guarded_bucket: dict[str, dict[str, str]], tmp_path: Path) -> None:
    done = ingest_on_s3(tmp_path, on_s3.address(), on_s3.md5s["v1"], guarded_bucket["writer"])
    assert done.returncode == 0, done.stderr
    table = read(tmp_path / "manifest")
    assert (len(table), table.data_version) == (6, on_s3.md5s["v1"])
    assert len(list(Images(tmp_path / "images"))) == 6
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.slow
def test_what_was_pushed_to_a_bucket_is_pulled(
    on_s3: Repository, guarded_bucket: dict[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in guarded_bucket["writer"].items():
        monkeypatch.setenv(name, value)
    pull(on_s3, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("revision", "changes", "message"),
    [
        ("@v1", {"AWS_SECRET_ACCESS_KEY": "hunter2-of-the-store"}, "Forbidden"),
        (
            "@v1",
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"},
            "Unable to locate credentials",
        ),
        ("@v1", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "Could not connect to the endpoint"),
        ("@v3", {}, "The specified bucket does not exist"),
    ],
)
def test_a_bucket_that_refuses_is_one_sentence(
    on_s3: Repository, guarded_bucket: dict[str, dict[str, str]], tmp_path: Path, revision: str, changes: dict[str, str], message: str
) -> None:
    done = ingest_on_s3(
        tmp_path, on_s3.address(revision), on_s3.md5s["v1" if revision == "@v1" else "v2"], {**guarded_bucket["writer"], **changes}
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith(f"data in file://{on_s3.folder} at {revision[1:]} can't be fetched: ") and message in done.stderr
    assert "hunter2" not in done.stderr and guarded_bucket["writer"]["AWS_SECRET_ACCESS_KEY"] not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["tmp"]
    assert list((tmp_path / "tmp").iterdir()) == []
