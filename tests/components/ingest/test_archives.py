"""Archives are never trusted: what is hostile or damaged is refused with the member named, and nothing appears anywhere."""

import io
import tarfile
import zipfile

import pytest

from components.ingest.archives import TarSource, ZipSource, open_archive
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom.system.errors import InputError
from tests import malicious
from tests.layouts import by_path, draw, ingested

LIMIT = 100_000


def make_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return path


def make_tar(path, members, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = content[0], "/etc/hostname"
                archive.addfile(member)
    return path


@pytest.mark.parametrize("encoding", ["shift_jis", "cp866", "cp1252", "utf-8"])
def test_names_of_an_encoding_that_a_zip_does_not_tell_stay_apart_and_are_told(tmp_path, encoding, monkeypatch):
    names = {"shift_jis": ("ソース", "ソファ"), "cp866": ("Кот", "Код"), "cp1252": ("Öl", "Äpfel"), "utf-8": ("Öl", "ソファ")}[encoding]
    monkeypatch.setattr(zipfile.ZipInfo, "_encodeFilenameFlags", lambda info: (info.filename.encode(encoding), 0))  # as many programs do
    file = make_zip(tmp_path / "a.zip", [(f"{name}/{number}.png", b"x") for number, name in enumerate(names)])
    source = open_archive(file, LIMIT)
    folders = {path.rpartition("/")[0] for path in source.sizes}
    assert len(folders) == 2 and all(path.count("/") == 1 for path in source.sizes)
    assert (folders == set(names)) == (encoding == "utf-8") == (not source.notes)
    assert encoding == "utf-8" or "2 name(s) in" in source.notes[0]


@pytest.mark.parametrize("name", ["../../evil.txt", "a/../../evil.jpg", "/etc/evil.jpg", "..\\evil.jpg", "C:\\evil.jpg"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_path_that_leads_out_is_refused(tmp_path, kind, name):
    make = make_zip if kind == "zip" else make_tar
    path = make(tmp_path / f"bad.{kind}", [("a/good.jpg", b"x"), (name, b"x")])
    with pytest.raises(InputError, match="a path that leads out of it") as caught:
        open_archive(path, LIMIT)
    assert repr(name.replace("\\", "/") if kind == "zip" else name) in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_a_link_or_a_device_in_a_tar_is_refused(tmp_path, kind):
    with pytest.raises(InputError, match=r"'a/thing\.jpg', a link or a device"):
        open_archive(make_tar(tmp_path / "bad.tar", [("a/thing.jpg", (kind,))]), LIMIT)


def test_a_link_in_a_zip_is_refused(tmp_path):
    link = zipfile.ZipInfo("a/link.jpg")
    link.external_attr = 0o120777 << 16
    with pytest.raises(InputError, match=r"'a/link\.jpg', a link or a device"):
        open_archive(make_zip(tmp_path / "bad.zip", [(link, b"/etc/hostname")]), LIMIT)


@pytest.mark.parametrize("name", ["bomb.zip", "bomb.tar", "bomb.tar.gz"])
def test_a_member_above_the_limit_is_refused(tmp_path, name):
    path = tmp_path / name
    files = [("a/bomb.jpg", bytes(2 * LIMIT))]
    make_zip(path, files) if name.endswith("zip") else make_tar(path, files, "w:gz" if name.endswith("gz") else "w")
    with pytest.raises(InputError, match=r"'a/bomb\.jpg' of 0 MB, above ingest\.max_file_mb = 0\.0953674"):
        open_archive(path, LIMIT)


def test_a_header_that_asks_for_gigabytes_is_refused(tmp_path):
    header = tarfile.TarInfo("header")
    header.type, header.size = tarfile.XHDTYPE, 2**33
    (tmp_path / "bad.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(2048))
    with pytest.raises(InputError, match="a header of 8,589,934,592 bytes"):
        open_archive(tmp_path / "bad.tar", LIMIT)


def test_a_member_that_comes_twice_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"'a/1\.jpg' twice"):
        open_archive(make_tar(tmp_path / "bad.tar", [("a/1.jpg", b"x"), ("./a/1.jpg", b"y")]), LIMIT)


def test_an_archive_is_judged_by_its_content(tmp_path):
    assert isinstance(open_archive(make_zip(tmp_path / "a.tar", [("a/1.jpg", b"x")]), LIMIT), ZipSource)
    assert isinstance(open_archive(make_tar(tmp_path / "a.zip", [("a/1.jpg", b"x")], "w:xz"), LIMIT), TarSource)
    (tmp_path / "text.zip").write_text("hello")
    with pytest.raises(InputError, match=r"text\.zip is no folder, table"):
        open_archive(tmp_path / "text.zip", LIMIT)


@pytest.mark.parametrize("name", ["cut.tar", "cut.tar.gz", "cut.tar.xz"])
def test_a_tar_that_is_cut_off_is_told(tmp_path, name):
    content = bytes(range(256)) * 300
    make_tar(tmp_path / name, [("a/1.jpg", content), ("b/2.jpg", content)], "w:" + {"tar": ""}.get(name[4:], name[8:]))
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="is damaged, encrypted or no archive"):
        source = open_archive(tmp_path / name, LIMIT)
        list(source.read(list(source.sizes)))


def test_a_zip_with_a_damaged_member_is_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("a/1.jpg", b"x" * 1000)
    data = bytearray((tmp_path / "bad.zip").read_bytes())
    data[500] ^= 1
    (tmp_path / "bad.zip").write_bytes(data)
    source = open_archive(tmp_path / "bad.zip", LIMIT)
    with pytest.raises(InputError, match=r"bad\.zip is damaged.*Bad CRC-32.*a/1\.jpg"):
        list(source.read(["a/1.jpg"]))


def test_members_are_read_in_any_order_asked_for(tmp_path):
    files = [(f"{number % 3}/{number}.jpg", bytes([number]) * 700) for number in range(20)]
    for source in (open_archive(make_zip(tmp_path / "a", files), LIMIT), open_archive(make_tar(tmp_path / "b", files, "w:gz"), LIMIT)):
        assert list(source.sizes) == sorted(name for name, _ in files)
        wanted = [name for name, _ in reversed(files)][:11]
        assert {file.path: file.data for file in source.read(wanted)} == {name: data for name, data in files if name in wanted}


def test_a_zip_from_windows_has_folders_too(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("a/1.jpg", b"x"), ("b/2.jpg", b"y")])
    path.write_bytes(path.read_bytes().replace(b"a/1.jpg", b"a\\1.jpg"))
    assert list(open_archive(path, LIMIT).sizes) == ["a/1.jpg", "b/2.jpg"]


def test_a_zip_from_macos_has_utf8_names_without_saying_so(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("XX/1.jpg", b"x"), ("b/2.jpg", b"y")])
    path.write_bytes(path.read_bytes().replace(b"XX/1.jpg", "é/1.jpg".encode()))
    assert list(open_archive(path, LIMIT).sizes) == ["b/2.jpg", "é/1.jpg"]


def nested(number):
    data = b"x"
    for _ in range(number):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("inner.zip", data)
        data = file.getvalue()
    return data


@pytest.mark.parametrize("place", ["orig.zip", "cat/orig.zip"])
def test_an_archive_beside_class_folders_is_ignored_whatever_their_files_are_called(tmp_path, place):
    photos = draw(tmp_path / "photos", [f"{kind}/{number}.dat" for kind in ("cat", "dog") for number in range(3)])
    (photos / place).write_bytes(nested(1))
    assert set(by_path(ingested(photos)).values()) == {"cat", "dog"}


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_archives_in_an_archive_are_named_and_never_unpacked(tmp_path, make):
    path = make(tmp_path / "outer", [("cat.zip", nested(1)), ("dog.zip", nested(1000))])
    with pytest.raises(InputError, match=r"holds archives \(cat\.zip, dog\.zip\), which are not unpacked"):
        ingest(path, tmp_path / "images", tmp_path / "manifest", config=IngestConfig())


def test_an_archive_beside_images_is_left_out_and_counted(tmp_path):
    pictures = [(f"{name}/1.png", malicious.png(*sides)) for name, sides in (("cat", (4, 4)), ("dog", (5, 4)))]
    path = make_zip(tmp_path / "outer.zip", [*pictures, ("dog/more.zip", nested(1))])
    measures = ingest(path, tmp_path / "images", tmp_path / "manifest", config=IngestConfig())
    assert (measures["num_images"], measures["num_undecoded_archive"]) == (2, 1)


@pytest.mark.parametrize(("make", "number"), [(make_zip, 1000), (make_tar, 1000), pytest.param(make_tar, 100_000, marks=pytest.mark.slow)])
def test_empty_files_are_counted_beside_images_and_refused_alone(tmp_path, make, number):
    empty = [(f"{'cd'[place % 2]}/{place}.png", b"") for place in range(number)]
    with pytest.raises(InputError, match=f"all {number:,} files are empty"):
        ingest(make(tmp_path / "a", empty), tmp_path / "images", tmp_path / "manifest", config=IngestConfig())
    path = make(tmp_path / "b", [*empty, ("c/x.png", malicious.png()), ("d/y.png", malicious.png(5))])
    measures = ingest(path, tmp_path / "images", tmp_path / "manifest", config=IngestConfig())
    assert (measures["num_files"], measures["num_images"]) == (number + 2, 3)


@pytest.mark.parametrize("name", ["/c/1.png", "//c/1.png", "\\\\server\\c\\1.png", "c:/1.png", "c/..\\..\\1.png"])
def test_addresses_of_other_places_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="a path that leads out of it"):
        open_archive(make_tar(tmp_path / "bad.tar", [(name, b"x")]), LIMIT)


@pytest.mark.parametrize("mode", [0o010600, 0o020600, 0o060600, 0o140600], ids=["pipe", "character device", "block device", "socket"])
def test_a_device_in_a_zip_is_refused(tmp_path, mode):
    member = zipfile.ZipInfo("a/thing.jpg")
    member.external_attr = mode << 16
    with pytest.raises(InputError, match=r"'a/thing\.jpg', a link or a device"):
        open_archive(make_zip(tmp_path / "bad.zip", [(member, b"")]), LIMIT)
