"""Networks that have seen ImageNet."""

import numpy as np
import pytest
import torch

from darkroom.networks import pretrained
from darkroom.networks.pretrained import PACKAGED, packaged_backbone, packaged_state
from darkroom.system.errors import InputError


def test_the_packaged_weights_fill_the_whole_network():
    timm = pytest.importorskip("timm")
    own = timm.create_model("tf_efficientnet_lite0").state_dict()
    state = packaged_state("tf_efficientnet_lite0")
    assert set(state) == {name for name in own if not name.endswith("num_batches_tracked")}
    assert all(state[name].shape == own[name].shape for name in state)


def test_features_come_from_what_the_network_has_learnt():
    """Of a red square and a green one, the pretrained features differ; the same picture gives the same vector."""
    backbone = packaged_backbone("tf_efficientnet_lite0")
    side = backbone.recipe.side_px
    pictures = torch.zeros(3, 3, side, side)
    pictures[:2, 0, 60:160, 60:160] = 1
    pictures[2, 1, 60:160, 60:160] = 1
    features = backbone.network(pictures).numpy()
    assert features.shape == (3, backbone.num_features) == (3, 1280)
    np.testing.assert_allclose(features[0], features[1], rtol=1e-4, atol=1e-5)
    assert np.abs(features[0] - features[2]).max() > 0.1


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(PACKAGED, "missing", pretrained.Packaged("no_such_weights", "file.pth", "", 224))
    with pytest.raises(InputError, match="no-such-weights"):
        packaged_state("missing")


def test_a_file_of_other_weights_is_refused(monkeypatch):
    known = PACKAGED["tf_efficientnet_lite0"]
    monkeypatch.setitem(PACKAGED, "other", pretrained.Packaged(known.package, known.file, "0" * 64, 224))
    with pytest.raises(InputError, match="sha256"):
        packaged_state("other")
