"""Hand-made features: against independent references, on drawings of known edges and corners, and in ONNX."""

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
import torch
from torch import Tensor

from darkroom.networks.handcrafted import CELLS, Handcrafted, canny, colours, gradients, handcrafted_backbone, harris, hog, patterns

EXPECTED = [0.6186000, -1.2972500]  # of the features of two pictures, for VERSION 1


def pictures(number: int, side: int = 64, seed: int = 0) -> Tensor:
    """Soft blobs and noise, `(N, 3, side, side)` of whole numbers, 0 to 255."""
    generator = torch.Generator().manual_seed(seed)
    soft = torch.nn.functional.interpolate(torch.rand((number, 3, 9, 9), generator=generator), size=side, mode="bicubic")
    return (soft * 255 + torch.randint(-9, 10, soft.shape, generator=generator)).clamp(0, 255).round()


def reference_hog(grey: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """HOG of one picture, pixel by pixel."""
    side = len(grey) // CELLS
    cells = np.zeros((CELLS, CELLS, 9))
    for y in range(len(grey)):
        for x in range(len(grey)):
            gx = grey[y, x + 1] - grey[y, x - 1] if 0 < x < len(grey) - 1 else 0.0
            gy = grey[y + 1, x] - grey[y - 1, x] if 0 < y < len(grey) - 1 else 0.0
            place = np.degrees(np.arctan2(gy, gx)) % 180 / 20 - 0.5
            low, share = int(np.floor(place)), place - np.floor(place)
            for orientation, weight in ((low, 1 - share), (low + 1, share)):
                cells[y // side, x // side, orientation % 9] += weight * np.hypot(gx, gy) / side**2
    blocks = []
    for y in range(CELLS - 1):
        for x in range(CELLS - 1):
            block = cells[y : y + 2, x : x + 2].ravel()
            block = np.minimum(block / np.sqrt((block**2).sum() + 1e-6), 0.2)
            blocks.append(block / np.sqrt((block**2).sum() + 1e-6))
    return np.stack(blocks, axis=1).ravel()  # by cell and orientation first, as torch has channels first


def reference_patterns(grey: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Shares of local binary patterns of one picture, pixel by pixel."""
    padded, side = np.pad(grey, 1, mode="edge"), len(grey) // 4
    counts = np.zeros((10, 4, 4))
    ring = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    for y in range(len(grey)):
        for x in range(len(grey)):
            bits = [bool(padded[y + down, x + right] >= grey[y, x]) for down, right in ring]
            num_changes = sum(bits[place] != bits[place - 1] for place in range(8))
            counts[sum(bits) if num_changes <= 2 else 9, y // side, x // side] += 1
    return np.sqrt(counts / side**2).ravel()


def test_hog_equals_an_independent_reference() -> None:
    grey = pictures(3)[:, :1]
    expected = np.stack([reference_hog(one[0].numpy().astype(np.float64)) for one in grey])
    assert expected.shape == (3, 1764)
    np.testing.assert_allclose(hog(grey), expected, atol=1e-5)


def test_patterns_equal_an_independent_reference() -> None:
    grey = pictures(3)[:, 1:2]
    expected = np.stack([reference_patterns(one[0].numpy().astype(np.float64)) for one in grey])
    np.testing.assert_allclose(patterns(grey), expected, atol=1e-6)


def test_colours_equal_numpys_histogram() -> None:
    rgb = pictures(2)
    for one, found in zip(rgb, colours(rgb), strict=True):
        counts, _ = np.histogramdd(one.numpy().reshape(3, -1).T, bins=4, range=[(0, 256)] * 3)
        np.testing.assert_allclose(found, np.sqrt(counts / 64**2).ravel(), atol=1e-6)


def square(inside: float = 255.0) -> Tensor:
    """A bright square on black, from 20 to 43 in both directions."""
    grey = torch.zeros((1, 1, 64, 64))
    grey[..., 20:44, 20:44] = inside
    return grey


def test_edges_are_thin_and_where_the_square_ends() -> None:
    edges = canny(*gradients(square()))[0, 0]
    ys, xs = torch.nonzero(edges, as_tuple=True)
    assert set(edges.unique().tolist()) == {0.0, 1.0}
    assert all(
        any(abs(value - end) <= 1 for end in (19.5, 43.5) for value in (y, x)) for y, x in zip(ys.tolist(), xs.tolist(), strict=True)
    )
    assert edges[30].sum() == edges[:, 30].sum() == 2  # one pixel thick


def test_weak_edges_count_only_where_they_are_tied_to_strong_ones() -> None:
    line = torch.zeros((1, 1, 64, 64))
    line[..., 32:] = 70.0  # a step whose gradient is weak
    assert canny(*gradients(line)).sum() == 0
    line[..., 28:36, 32:] = 255.0  # strong on eight rows, and on two beside them
    followed = canny(*gradients(line))[0, 0, :, 30:34].sum(dim=1)  # without the edges of the rows themselves
    rows = torch.nonzero(followed)[:, 0].tolist()
    assert (rows[0], rows[-1]) == (17, 46)  # as many rows further on each side as there are dilations, and the strong ones beside


def test_harris_answers_at_corners_only() -> None:
    response = harris(*gradients(square()))[0, 0]
    places = torch.nonzero(response > response.max() / 10).tolist()
    assert len(places) > 3
    assert {(y > 32, x > 32) for y, x in places} == {(False, False), (False, True), (True, False), (True, True)}
    assert all(min(abs(y - 19.5), abs(y - 43.5)) < 4 and min(abs(x - 19.5), abs(x - 43.5)) < 4 for y, x in places)
    assert response[32, 20] == response[20, 32] == 0  # an edge is no corner


@pytest.mark.parametrize("level", [0.0, 1.0, 0.5])
def test_a_flat_picture_has_finite_features(level: float) -> None:
    features = Handcrafted()(torch.full((1, 3, 64, 64), level))
    assert torch.isfinite(features).all()


def test_it_is_a_backbone_of_known_length_whose_features_change_only_with_its_version() -> None:
    backbone = handcrafted_backbone()
    features = backbone.network(pictures(2) / 255)
    assert features.shape == (2, backbone.num_features) == (2, 2372)
    assert not list(backbone.network.parameters())
    weights = torch.cos(torch.arange(2372, dtype=torch.float64))
    found = (features.double() @ weights).tolist()
    assert found == pytest.approx(EXPECTED, abs=1e-4), "raise VERSION with each change of a feature: kept vectors are known by it"


def test_onnxruntime_computes_the_same(tmp_path: Path) -> None:
    network, images = Handcrafted().eval(), torch.cat([pictures(6, seed=3) / 255, torch.zeros((1, 3, 64, 64))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (images,), str(tmp_path / "g.onnx"), dynamo=False, opset_version=18, input_names=["images"])
    answer = onnxruntime.InferenceSession(str(tmp_path / "g.onnx")).run(None, {"images": images.numpy()})[0]
    np.testing.assert_allclose(answer, network(images), atol=1e-4)
