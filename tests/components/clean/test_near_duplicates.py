"""Near-duplicates in `clean`: tied, not dropped, with and without embeddings, and the same on every run."""

from pathlib import Path

import pytest
from PIL import ImageEnhance, ImageOps

from components.clean.clean import clean
from components.clean.config import CleanConfig
from components.embed.config import EmbedConfig
from components.embed.embed import embed
from darkroom import issues as issue_table
from darkroom.images import ImageWriter, image_id
from darkroom.manifest import Manifest, make_table, read
from darkroom.scans import FILE as SCANS
from tests.photographs import jpeg, photograph


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight pictures of two classes, of which four have copies, and a small one with its enlargement."""
    pictures = {f"p{number}": photograph(number) for number in range(8)}
    pictures |= {
        "p0-mirrored": ImageOps.mirror(photograph(0)),
        "p1-cropped": photograph(1).crop((5, 3, 115, 92)),
        "p2-darker": ImageEnhance.Brightness(photograph(2)).enhance(0.6),
        "p3-smaller": photograph(3).resize((80, 64)),
        "s": photograph(9).resize((30, 24)),
        "s-larger": photograph(9),
    }
    rows = sorted((name, jpeg(picture)) for name, picture in pictures.items())
    with ImageWriter(tmp_path / "images") as writer:
        for _, data in rows:
            writer.add(data)
    none = [None] * len(rows)
    columns = {"path": [name for name, _ in rows], "image_id": [image_id(data) for _, data in rows]}
    columns |= {"label": ["a" if name[1:2] in "0246" else "b" for name, _ in rows]}
    table = make_table(columns | {"width": none, "height": none, "group": none, "given_split": none})
    Manifest(table, ("a", "b"), "binary", "v1").write(tmp_path / "manifest")
    return tmp_path


def run(folder: Path, *, embedded: bool, **config: object) -> tuple[Manifest, list[tuple[str, str, str]], dict[str, float]]:
    if embedded:
        embed(folder / "images", folder / "embeddings", config=EmbedConfig(backbone="handcrafted"))
    places = [folder / name for name in ("images", "manifest", "cleaned", "issues")]
    measures = clean(*places, config=CleanConfig(**config), embeddings=folder / "embeddings" if embedded else None)
    found = [row for row in issue_table.rows(places[3]) if row["check"] in ("near_duplicate", "same_thing")]
    return read(places[2]), [(row["path"], row["other"], row["action"]) for row in found], measures


@pytest.mark.parametrize("embedded", [True, False])
def test_copies_are_kept_and_tied(folder: Path, embedded: bool) -> None:
    kept, found, measures = run(folder, embedded=embedded)
    assert {frozenset(row[:2]) for row in found} == {
        frozenset(pair) for pair in (("p0", "p0-mirrored"), ("p1", "p1-cropped"), ("p2", "p2-darker"), ("p3", "p3-smaller"))
    }
    assert {row[2] for row in found} == {"tied"}
    assert (measures["num_near_duplicate"], measures["num_dropped"], measures["num_kept"]) == (4, 0, 14)
    ids, clusters = (dict(zip(kept.column("path"), kept.column(name), strict=True)) for name in ("image_id", "cluster"))
    for path, other, _ in found:
        assert clusters[path] == clusters[other] == min(ids[path], ids[other])
    assert clusters["s"] != clusters["s-larger"]  # one of them carries too little
    assert len(set(clusters.values())) == 10


def test_copies_that_are_to_be_dropped_are_tied_and_only_proposed(folder: Path) -> None:
    kept, found, measures = run(folder, embedded=False, near_duplicates="drop")
    assert ({row[2] for row in found}, measures["num_dropped"], measures["num_kept"]) == ({"drop proposed"}, 0, 14)
    proposed, clusters = (dict(zip(kept.column("path"), kept.column(name), strict=True)) for name in ("proposed_action", "cluster"))
    assert {path for path, action in proposed.items() if action == "drop"} == {row[0] for row in found}
    for path, other, _ in found:
        assert (clusters[path], proposed[other]) == (clusters[other], None)


def test_no_image_is_decoded_that_embed_has_scanned_and_the_bytes_are_those_of_scanning_here(folder: Path) -> None:
    run(folder, embedded=True, near_duplicates="off", same_things="off")
    first = [(folder / name).read_bytes() for name in ("cleaned", "issues")]
    (folder / "embeddings" / SCANS).unlink()  # as in embeddings of an earlier version
    places = [folder / name for name in ("images", "manifest", "cleaned", "issues")]
    config = CleanConfig(near_duplicates="off", same_things="off")
    clean(*places, config=config, embeddings=folder / "embeddings")
    assert [(folder / name).read_bytes() for name in ("cleaned", "issues")] == first
    embed(folder / "images", folder / "embeddings", config=EmbedConfig(backbone="handcrafted"))
    with ImageWriter(folder / "images"):
        pass  # there are no pixels any more
    clean(*places, config=config, embeddings=folder / "embeddings")
    assert [(folder / name).read_bytes() for name in ("cleaned", "issues")] == first


def test_the_same_bytes_again_and_off_means_off(folder: Path) -> None:
    run(folder, embedded=False)
    first = [(folder / name).read_bytes() for name in ("cleaned", "issues")]
    run(folder, embedded=False)
    assert [(folder / name).read_bytes() for name in ("cleaned", "issues")] == first
    kept, found, _ = run(folder, embedded=False, near_duplicates="off", same_things="off")
    assert (found, kept.column("cluster")) == ([], kept.column("image_id"))
