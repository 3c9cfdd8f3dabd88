"""Vectors of small pictures: each is its own picture's alone, in the order that was asked for, and computed once."""

from pathlib import Path

import numpy as np
import pytest

from components.embed.config import EmbedConfig
from components.embed.embed import embed
from darkroom.embeddings import ENLARGED, Embeddings
from darkroom.images import Images, ImageWriter, image_id
from darkroom.label_errors import enlarged as module
from darkroom.label_errors.enlarged import enlarged_vectors
from darkroom.vector_store import kept_origins
from tests.photographs import jpeg, photograph


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Images, Embeddings, list[str]]:
    """Ten small pictures, of which the last one is the first one, wider; as packed, embedded by hand-made features."""
    place = tmp_path_factory.mktemp("seen")
    data = [jpeg(photograph(number % 9).resize((32 + number // 9, 32))) for number in range(10)]
    with ImageWriter(place / "images") as writer:
        for one in data:
            writer.add(one)
    embed(place / "images", place / "embeddings", config=EmbedConfig())
    return Images(place / "images"), Embeddings(place / "embeddings"), [image_id(one) for one in data]


@pytest.mark.slow
def test_a_vector_depends_on_its_picture_alone_and_copies_lie_nearer_than_others(seen: tuple[Images, Embeddings, list[str]]) -> None:
    images, embeddings, names = seen
    found, damage = enlarged_vectors(images, embeddings, names, "lite0", 64)
    assert damage == []
    assert found.shape == (10, 1280)
    np.testing.assert_allclose(np.linalg.norm(found.astype(np.float64), axis=1), 1, atol=2e-3)
    some = [9, 2]
    np.testing.assert_array_equal(enlarged_vectors(images, embeddings, [names[row] for row in some], "lite0", 64)[0], found[some])
    likeness = found.astype(np.float64) @ found[9].astype(np.float64)
    assert likeness[:9].argmax() == 0
    assert enlarged_vectors(images, embeddings, [], "lite0", 64)[0].shape == (0, 1280)


@pytest.mark.slow
def test_a_store_keeps_them_and_only_new_ones_are_computed(
    seen: tuple[Images, Embeddings, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, embeddings, names = seen
    wanted, _ = enlarged_vectors(images, embeddings, names, "lite0", 64)
    looked_at = list[bytes]()
    decode = module.pixels
    monkeypatch.setattr(module, "pixels", lambda data, recipe: looked_at.append(data) or decode(data, recipe))
    some = [names[row] for row in (7, 1, 4, 2)]
    for asked, number in ((some, 4), (some, 0), (names, 6), (names[::-1], 0)):
        looked_at.clear()
        found, _ = enlarged_vectors(images, embeddings, asked, "lite0", 64, tmp_path)
        np.testing.assert_array_equal(found, wanted[[names.index(name) for name in asked]])
        assert len(looked_at) == number
    looked_at.clear()
    assert enlarged_vectors(images, embeddings, names, "lite0", 96, tmp_path)[0].shape == (10, 1280)
    assert len(looked_at) == 10  # of another side
    assert [origin.layer for origin in kept_origins(tmp_path)] == [ENLARGED] * 2


@pytest.mark.slow
def test_a_damaged_shard_is_computed_again(seen: tuple[Images, Embeddings, list[str]], tmp_path: Path) -> None:
    images, embeddings, names = seen
    wanted, _ = enlarged_vectors(images, embeddings, names, "lite0", 64, tmp_path)
    (shard,) = tmp_path.glob("*/*.arrow")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    found, damage = enlarged_vectors(images, embeddings, names, "lite0", 64, tmp_path)
    np.testing.assert_array_equal(found, wanted)
    assert damage == ["1 damaged shards of kept vectors and scans were removed, and their images computed again"]
    (shard,) = tmp_path.glob("*/*.arrow")
    assert shard.read_bytes() != bytes(content)
