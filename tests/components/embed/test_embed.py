"""Embed: what is computed, what is taken from the store, which backbone fits, and what is refused."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from components.embed.config import EmbedConfig
from components.embed.embed import embed
from darkroom.embeddings import FILE, Embeddings
from darkroom.images import Images, ImageWriter
from darkroom.model import ModelCard
from darkroom.networks.backbones import embedding_backbone
from darkroom.networks.embedder import Place, embedder
from darkroom.networks.export import save_model
from darkroom.networks.handcrafted import handcrafted_backbone
from darkroom.networks.network import build
from darkroom.part import parts
from darkroom.pixels import decode, pixels
from darkroom.preprocessing.recipe import Recipe
from darkroom.scans import FILE as SCANS
from darkroom.scans import KEPT_AS, read, scan_images, to_bytes
from darkroom.system.config import parse
from darkroom.system.errors import InputError
from darkroom.thumbnails import thumbnails
from tests.photographs import jpeg, photograph


def encode(number: int, side: int = 16, num_tones: int = 256, kind: str = "PNG") -> bytes:
    """A noisy picture of its own for every number."""
    values = np.random.default_rng(number).integers(0, num_tones, (side, side + 2, 3)) * (255 // (num_tones - 1))
    file = io.BytesIO()
    Image.fromarray((values if num_tones == 256 else np.repeat(values[..., :1], 3, axis=2)).astype(np.uint8)).save(file, kind)
    return file.getvalue()


def pack(folder: Path, files: list[bytes]) -> Path:
    with ImageWriter(folder) as writer:
        for data in files:
            writer.add(data)
    return folder


def run(folder: Path, files: list[bytes], store: Path | None = None, **settings: object) -> tuple[Embeddings, dict[str, float]]:
    config = parse(EmbedConfig, "embed", {"num_threads": 2, **settings})
    measures = embed(pack(folder / "images", files), folder / "embeddings", config=config, store=store)
    return Embeddings(folder / "embeddings"), measures


FILES = [encode(number) for number in range(11)]


def test_every_readable_image_has_a_row_with_the_backbones_vector(tmp_path: Path) -> None:
    found, measures = run(tmp_path, [*FILES, b"no image", FILES[0][:200]], batch_size=4)
    assert measures == {"num_embedded": 11, "num_computed": 11, "num_unreadable": 2, "num_features": 2372}
    packed, backbone = Images(tmp_path / "images"), handcrafted_backbone()
    assert found.names == sorted(name for name in packed if packed[name] in FILES)
    for row, name in enumerate(found.names):
        image = torch.from_numpy(pixels(packed[name], backbone.recipe).copy()).permute(2, 0, 1)[None] / 255
        features = backbone.network(image)[0].numpy()
        np.testing.assert_allclose(found.vectors[row], features / np.linalg.norm(features), atol=1e-4)
        assert found.norms[row] == pytest.approx(np.linalg.norm(features), rel=1e-4)
        seen = thumbnails(decode(packed[name]))
        assert (found.grey[row] == seen.grey).all()
        assert (found.colours[row] == seen.colours).all()
        assert found.signatures[row] == seen.signature
    origin = found.origin
    assert (origin.backbone, origin.weights_sha256, origin.recipe) == ("handcrafted", backbone.weights_sha256, Recipe(64))
    assert (origin.layer, origin.precision, origin.device) == ("features", "float32", "cpu")


@pytest.mark.parametrize(
    ("backbone", "total", "lost"),
    [
        pytest.param("handcrafted", 3, (), marks=pytest.mark.slow),
        ("handcrafted", 3, (2,)),
        pytest.param("handcrafted", 40, (1, 40), marks=pytest.mark.slow),
        pytest.param("lite0", 3, (2,), marks=pytest.mark.slow),
    ],
)
def test_parts_and_then_all_give_the_bytes_of_all_alone(tmp_path: Path, backbone: str, total: int, lost: tuple[int, ...]) -> None:
    files, settings = [*FILES, b"no image"], EmbedConfig(backbone=backbone, num_threads=2)
    alone = run(tmp_path / "alone", files, backbone=backbone)[1]
    images, store, shares = tmp_path / "alone/images", tmp_path / "store", []
    for part in parts(total):
        if part.number not in lost:
            shares.append(embed(images, tmp_path / str(part.number), config=settings, store=store, part=str(part)))
            assert Embeddings(tmp_path / str(part.number)).names == []
    measures = embed(images, tmp_path / "all", config=settings, store=store)
    for name in (FILE, SCANS):
        assert (tmp_path / "all" / name).read_bytes() == (tmp_path / "alone/embeddings" / name).read_bytes()
    computed = sum(share["num_computed"] for share in shares)
    assert measures == alone | {"num_computed": alone["num_computed"] - computed}
    assert (measures["num_computed"] > 0) == bool(lost)


def test_a_part_without_a_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is none: name its folder in DARKROOM_VECTORS"):
        embed(pack(tmp_path / "images", FILES), tmp_path / "embeddings", config=EmbedConfig(), part="1/2")


def test_grown_data_cost_what_is_new_and_give_the_bytes_of_a_fresh_run(tmp_path: Path) -> None:
    store = tmp_path / "store"
    computed = [
        run(tmp_path / "first", FILES[:8], store)[1], run(tmp_path / "again", FILES[:8], store)[1],
        run(tmp_path / "grown", FILES, store, batch_size=3)[1], run(tmp_path / "shrunk", FILES[2:5], store)[1],
        run(tmp_path / "fresh", FILES)[1],
    ]  # fmt: skip
    assert [measures["num_computed"] for measures in computed] == [8, 0, 3, 0, 11]
    grown, fresh = ((tmp_path / name / "embeddings" / FILE).read_bytes() for name in ("grown", "fresh"))
    assert grown == fresh


def test_a_damaged_shard_is_computed_again_and_told(tmp_path: Path) -> None:
    store = tmp_path / "store"
    run(tmp_path / "first", FILES, store)
    shards = list(store.glob("*/*.arrow"))  # of vectors, and of scans
    for shard in shards:
        shard.write_bytes(shard.read_bytes()[:-100])
    found, measures = run(tmp_path / "second", FILES, store)
    assert measures["num_computed"] == 11
    assert [note.is_warning for note in found.notes] == [True, False]
    assert (len(shards), "2 damaged" in found.notes[0].text) == (2, True)


def test_every_readable_image_is_scanned(tmp_path: Path) -> None:
    run(tmp_path, [*FILES, b"no image"])
    packed = Images(tmp_path / "images")
    expected = to_bytes(rows for rows, _ in scan_images(packed, sorted(packed)))
    assert (tmp_path / "embeddings" / SCANS).read_bytes() == expected


def test_vectors_that_were_kept_without_scans_are_not_computed_again(tmp_path: Path) -> None:
    store = tmp_path / "store"
    run(tmp_path / "first", FILES, store)
    shutil.rmtree(store / KEPT_AS)
    _, measures = run(tmp_path / "again", FILES, store)
    assert measures["num_computed"] == 0
    first, again = (tmp_path / name / "embeddings" for name in ("first", "again"))
    assert (first / SCANS).read_bytes() == (again / SCANS).read_bytes()
    assert (first / FILE).read_bytes() == (again / FILE).read_bytes()


def test_a_large_photograph_has_the_scan_of_all_its_pixels_and_the_vector_of_a_fraction(tmp_path: Path) -> None:
    data = jpeg(photograph(1).resize((300, 260)))
    found, _ = run(tmp_path, [data], backbone="handcrafted")
    assert (found.grey[0] == thumbnails(decode(data, at_least_px=128)).grey).all()
    assert (found.grey[0] != thumbnails(decode(data)).grey).any()
    assert read(tmp_path / "embeddings").sizes.tolist() == [[300, 260]]


@pytest.mark.parametrize(
    ("side", "num_tones", "settings", "named"),
    [
        (47, 256, {}, "auto_min_side_px"),
        (48, 256, {"auto_min_side_px": 49}, "auto_min_side_px"),
        (64, 2, {}, "auto_min_tones"),
        (64, 31, {"auto_min_tones": 32}, "auto_min_tones"),
    ],
    ids=str,
)
def test_small_images_and_drawings_get_hand_made_features(
    tmp_path: Path, side: int, num_tones: int, settings: dict[str, object], named: str
) -> None:
    found, _ = run(tmp_path, [encode(number, side, num_tones) for number in range(5)], **settings)
    assert found.origin.backbone == "handcrafted"
    assert [(note.step, named in note.text) for note in found.notes] == [("embed", True)]


def test_photographs_are_seen_by_the_pretrained_network_and_vectors_do_not_depend_on_their_number(tmp_path: Path) -> None:
    files = [encode(number, 60, kind="JPEG") for number in range(5)]
    found, measures = run(tmp_path, files)
    assert (found.origin.backbone, found.origin.recipe) == ("lite0", Recipe(224, "bicubic", 0.875))
    assert (measures["num_features"], found.vectors.shape) == (1280, (5, 1280))
    assert ["lite0" in note.text for note in found.notes] == [True]
    alone, _ = run(tmp_path / "alone", files[:1])
    assert (alone.vectors[0] == found.vectors[found.rows(alone.names)[0]]).all()


def test_without_images_there_are_no_rows(tmp_path: Path) -> None:
    found, measures = run(tmp_path, [])
    assert (len(found), measures["num_embedded"]) == (0, 0)
    assert len(run(tmp_path / "unreadable", [b"x", b"y"])[0]) == 0


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"backbone": "lite9"}, r"embed\.backbone is 'lite9'.*lite"),
        pytest.param({"device": "cuda"}, r"embed\.device", marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")),
        pytest.param(
            {"precision": "bf16", "backbone": "lite0", "device": "cpu"},
            r"embed\.precision",
            marks=pytest.mark.skipif(torch.cpu._is_avx512_bf16_supported(), reason="the processor has bfloat16"),
        ),
    ],
    ids=["backbone", "device", "precision"],
)
def test_what_can_not_be_had_is_refused_by_its_setting(tmp_path: Path, settings: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=named):
        run(tmp_path, FILES[:2], **settings)
    assert not (tmp_path / "embeddings").exists()


def test_the_users_own_weights_are_told_apart_by_their_content(tmp_path: Path) -> None:
    keys = []
    for seed in (0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build("small_cnn", 2, side_px=16).eval()
        card = ModelCard("small_cnn", ("a", "b"), "binary", 16, (0.5,) * 3, (0.5,) * 3, (0.5,))
        save_model(tmp_path / "model", network, card)
        found, measures = run(tmp_path, FILES, tmp_path / "store", weights=str(tmp_path / "model"))
        assert (found.origin.backbone, found.origin.recipe, measures["num_computed"]) == ("small_cnn", Recipe(16), 11)
        keys.append(found.origin.key)
        backbone = embedding_backbone(tmp_path / "embeddings", found.origin)  # what comes after can rebuild it without the settings
        again, _ = embedder(backbone, Place("cpu", "float32"))(
            np.stack([pixels(Images(tmp_path / "images")[name], found.origin.recipe) for name in found.names])
        )
        np.testing.assert_allclose(again, found.vectors, atol=1e-3)
        assert len(list((tmp_path / "store" / KEPT_AS).glob("*.arrow"))) == 1  # scans are those of any backbone
    assert keys[0] != keys[1]
