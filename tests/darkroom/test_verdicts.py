"""Verdicts: what people decided is written at once and read as it was meant, or the line is named."""

import multiprocessing
import os
from pathlib import Path

import pytest

from darkroom import verdicts
from darkroom.system.errors import InputError
from darkroom.verdicts import Verdict, append, at_version, is_verdicts, joined, latest, parse, read, version

A, B = "a" * 64, "b" * 64
HEAD = "image_id,verdict,label,who,when\n"


def judged(image_id: str, word: str, label: str = "", when: str = "2026-01-02T10:00:00+00:00") -> Verdict:
    return Verdict(image_id, word, label, "anna", when)


def test_what_is_added_is_read_again_and_the_later_wins(tmp_path: Path) -> None:
    path = tmp_path / verdicts.FILE
    append(path, judged(A, "relabel", 'a "cat", or\nnot', "2026-01-02T10:00:00+00:00"))
    append(path, judged(B, "drop"))
    append(path, judged(A, "keep", when="2026-01-02T09:00:00+00:00"))  # a slower clock, or another copy of the file, merged
    found = read(path)
    assert [(one.image_id, one.word, one.who) for one in found] == [(A, "relabel", "anna"), (B, "drop", "anna"), (A, "keep", "anna")]
    assert latest(found)[A].label == 'a "cat", or\nnot'
    assert os.listdir(tmp_path) == [verdicts.FILE]  # noqa: PTH208


def test_lines_written_by_hand_are_understood(tmp_path: Path) -> None:
    path = tmp_path / verdicts.FILE
    path.write_bytes(f"\ufeffverdict,who,image_id,label,when\r\nKeep,,{A.upper()},,\r\nrelabel,bo,{A},cat,2026-01-02".encode())
    append(path, judged(B, "drop", when=verdicts.now()))
    found = read(path)
    assert [(one.image_id, one.word, one.label) for one in found] == [(A, "keep", ""), (A, "relabel", "cat"), (B, "drop", "")]
    assert latest(found)[A].word == "relabel"
    assert [verdict.place for verdict in found] == [f"{path} line {line}" for line in (2, 3, 4)]


def test_a_line_without_a_time_counts_after_all_that_stand_above_it() -> None:
    lines = [f"{A},relabel,fog,ann,2026-03-01T00:00:00Z", f"{B},keep,,bo,2026-02-01T00:00:00Z", f"{A},keep,,,"]
    found = latest(parse("\n".join(["image_id,verdict,label,who,when", *lines]).encode(), "v"))
    assert (found[A].word, found[B].word) == ("keep", "keep")


WRONG = {
    f"{A},kept,,,": "line 2 has the verdict 'kept': it must be one of keep, drop, relabel",
    f"{A[1:]},keep,,,": "line 2 has the image_id",
    "../../etc/passwd,keep,,,": "line 2 has the image_id",
    f"{A},drop,cat,,": "line 2 has the verdict 'drop' and a label",
    f"{A},keep,,,yesterday": "line 2 has the time 'yesterday'",
    f"{A},keep": "line 2 has 2 cells",
    f'{A},keep,"x': "line 2 can't be read",
    f"{A},keep,,\0,": "line 2",
    f"{A},keep,{'x' * 200_000},,": "line 2 can't be read",
}


@pytest.mark.parametrize("line", WRONG, ids=list(range(len(WRONG))))
def test_a_line_that_is_wrong_is_named(line: str) -> None:
    if "\0" in line:
        assert parse((HEAD + line).encode(), "v")[0].who == "\0"  # no harm: who is only shown
        return
    with pytest.raises(InputError, match=f"^v {WRONG[line]}"):
        parse((HEAD + line).encode(), "v")


@pytest.mark.parametrize(("data", "words"), [(b"image_id;verdict\n", "no column 'image_id'"), (b"image_id\n", "no column 'verdict'")])
def test_a_file_of_other_columns_is_refused_or_the_users_own(data: bytes, words: str, tmp_path: Path) -> None:
    assert is_verdicts(data) and not is_verdicts(b"file,label\n")
    with pytest.raises(InputError, match=words):
        parse(data, "v")
    (tmp_path / "v").write_bytes(b"image_id,verdict\n")
    with pytest.raises(InputError, match="names no column 'label'"):
        append(tmp_path / "v", judged(A, "keep"))
    assert (tmp_path / "v").read_bytes() == b"image_id,verdict\n"
    with pytest.raises(InputError, match="UTF-8"):
        parse(b"image_id\xff", "v")


@pytest.mark.parametrize(
    ("cell", "labels"),
    [("cat", ("cat",)), ("cat|dog", ("cat", "dog")), ("", ()), ("a|b", ("a|b",)), ('["a|b", "cat"]', ("a|b", "cat")), ("[x", ("[x",))],
)
def test_several_labels_stand_in_one_cell(cell: str, labels: tuple[str, ...]) -> None:
    classes = ("cat", "dog", "a|b", "[x")
    assert judged(A, "relabel", cell).labels(classes, multilabel=True) == labels
    assert judged(A, "relabel", joined(labels)).labels(classes, multilabel=True) == labels


@pytest.mark.parametrize(("cell", "multilabel"), [("cat|dog", False), ("", False), ("cat|cow", True), ("[" * 90_000, True)])
def test_a_label_that_is_no_class_is_named_with_its_line(cell: str, multilabel: bool) -> None:
    (one,) = parse(f"{HEAD}{A},relabel,{cell},,\n".encode(), "v")
    with pytest.raises(
        InputError, match=r"^v line 2 relabels an image to .* known are 'cat', 'dog'; write one of these in that line"
    ) as told:
        one.labels(("dog", "cat"), multilabel=multilabel)
    remedy = str(told.value).rpartition("such as a last line ")[2].rstrip(")")
    later = latest(parse(f"{HEAD}{A},relabel,{cell},,\n{remedy}\n".encode(), "v"))
    assert (later[A].word, later[A].place) == ("keep", "v line 3")


def test_a_version_is_read_though_lines_were_added_since(tmp_path: Path) -> None:
    path = tmp_path / "v"
    append(path, judged(A, "keep"))
    then = path.read_bytes()
    append(path, judged(B, "drop"))
    assert at_version(path.read_bytes(), version(then), "v") == then
    assert at_version(path.read_bytes(), version(b""), "v") == b""  # as there was none then
    for other in (path.read_bytes()[1:], b""):
        with pytest.raises(InputError, match=r"clean\.verdicts_version"):
            at_version(other, version(then), "v")


def test_no_line_is_added_to_what_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("mine")
    for make in (os.symlink, os.link):
        make(tmp_path / "secret", tmp_path / verdicts.FILE)
        with pytest.raises(InputError, match="is a link"):
            append(tmp_path / verdicts.FILE, judged(A, "keep"))
        (tmp_path / verdicts.FILE).unlink()
    os.mkfifo(tmp_path / verdicts.FILE)
    assert read(tmp_path / verdicts.FILE) == []
    assert (tmp_path / "secret").read_text() == "mine"


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"can't be written to .*nowhere.*clean\.verdicts"):
        append(tmp_path / "nowhere" / verdicts.FILE, judged(A, "keep"))
    with pytest.raises(InputError, match="is a link or a pipe"):
        append(Path("/dev/full"), judged(A, "keep"))


def write_many(path: Path, name: str) -> None:
    for _ in range(50):
        append(path, Verdict(name * 64, "keep", "", "x" * 3000, verdicts.now()))


def test_several_reviewers_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / verdicts.FILE
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_many, args=(path, name)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(verdict.image_id[0] for verdict in read(path)) == sorted("abc" * 50)
    assert path.read_text().count("image_id") == 1
