"""Weights to start from: taken, dropped, or refused with a sentence."""

import pytest
import torch
from safetensors.torch import save_file

from darkroom.model import CARD, ModelCard
from darkroom.networks import export, weights
from darkroom.networks.pretrained import packaged_state
from darkroom.system.errors import InputError


def small(num_classes):
    return export.build("small_cnn", num_classes, side_px=8)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_of_other_classes_keep_all_but_the_last_layer(tmp_path, capsys, suffix):
    given, own = small(5), small(3)
    path = tmp_path / f"weights{suffix}"
    save_file(given.state_dict(), path) if suffix == ".safetensors" else torch.save({"state_dict": given.state_dict()}, path)
    head = own.head[1].weight.clone()
    weights.load(own, "small_cnn", str(path))
    assert torch.equal(own.stem[0].weight, given.stem[0].weight)
    assert torch.equal(own.head[1].weight, head)
    assert "2 of the last layer dropped" in capsys.readouterr().out


def test_weights_of_the_same_classes_are_taken_whole(tmp_path, capsys):
    given, own = small(3), small(3)
    save_file(given.state_dict(), tmp_path / "w.safetensors")
    weights.load(own, "small_cnn", str(tmp_path / "w.safetensors"))
    assert torch.equal(own.head[1].weight, given.head[1].weight)
    assert "0 of the last layer dropped" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "given_px", "side_px"), [("resnet18", 32, 32), ("vit_b_32", 64, 96)])
def test_torchvisions_own_names_and_sizes_are_understood(tmp_path, capsys, architecture, given_px, side_px):
    from torchvision.models import get_model

    given = get_model(architecture, **({"image_size": given_px} if architecture.startswith("vit") else {}))
    torch.save(given.state_dict(), tmp_path / "w.pth")
    own = export.build(architecture, 3, side_px=side_px)
    weights.load(own, architecture, str(tmp_path / "w.pth"))
    theirs, ours = given.state_dict(), own.state_dict()
    shared = [name for name in theirs if name in ours and ours[name].shape == theirs[name].shape]
    assert all(torch.equal(theirs[name], ours[name]) for name in shared)
    assert "2 of the last layer dropped" in capsys.readouterr().out


def test_packaged_weights_are_taken_without_a_word_of_the_user(capsys):
    own = export.build("lite0", 3, side_px=32)
    assert weights.is_pretrained("tf_efficientnet_lite0", "auto") and not weights.is_pretrained("small_cnn", "auto")
    weights.load(own, "tf_efficientnet_lite0", "auto")
    packaged = packaged_state("tf_efficientnet_lite0")
    state = own.state_dict()
    assert all(torch.equal(state[name], value) for name, value in packaged.items() if not name.startswith("classifier"))
    assert "2 of the last layer dropped" in capsys.readouterr().out


def test_auto_leaves_a_network_random_that_has_no_packaged_weights(capsys):
    own = small(3)
    before = own.head[1].weight.clone()
    weights.load(own, "small_cnn", "auto")
    assert torch.equal(own.head[1].weight, before) and capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("prefix", "name"), [("head", "vit_tiny_patch16_224"), pytest.param("fc", "timm/resnet18", marks=pytest.mark.slow)]
)
def test_timms_own_weights_fit_another_side(tmp_path, name, prefix):
    given, own = export.build(name, 5, side_px=32), export.build(name, 3, side_px=48)
    save_file(given.state_dict(), tmp_path / "w.safetensors")
    weights.load(own, name, str(tmp_path / "w.safetensors"))
    theirs, ours = given.state_dict(), own.state_dict()
    alike = {key for key in theirs if theirs[key].shape == ours[key].shape}
    assert {key for key in theirs if key not in alike} <= {f"{prefix}.weight", f"{prefix}.bias", "pos_embed"}
    assert all(torch.equal(theirs[key], ours[key]) for key in alike)


def test_every_layer_of_another_shape_is_told(tmp_path, capsys):
    own = export.build("efficientnet_b0", 3, side_px=32)
    given = dict(own.state_dict())
    differing = [name for name, value in given.items() if name.startswith("features.0.") and value.ndim]
    given |= {name: torch.zeros(40, *given[name].shape[1:]) for name in differing}
    save_file(given, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"features\.0\.0\.weight \(40x3x3x3 instead of 32x3x3x3\)"):
        weights.load(own, "efficientnet_b0", str(tmp_path / "w.safetensors"))
    told = capsys.readouterr().out
    assert len(differing) > 3 and all(f"{name} (" in told for name in differing)


@pytest.mark.parametrize(("given", "mean"), [("auto", 127 / 255), ("w.pth", 127 / 255), ("DEFAULT", 127 / 255), ("", None)])
def test_packaged_networks_are_normalised_as_their_weights_were(given, mean):
    found = weights.normalisation("tf_efficientnet_lite0", given)
    assert found is None if mean is None else found is not None and found[0] == (mean,) * 3


def test_the_card_beside_weights_says_how_they_were_normalised(tmp_path):
    ModelCard("small_cnn", ("a", "b", "c"), "multiclass", 8, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)).write(tmp_path / CARD)
    assert weights.normalisation("small_cnn", str(tmp_path / "weights.safetensors")) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert weights.normalisation("resnet18", "DEFAULT") == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Evil:
    def __reduce__(self):
        return print, ("code ran",)


def write_other(path):
    save_file({"a": torch.zeros(1), **{f"b{number}": torch.zeros(1) for number in range(4)}}, path)


def write_misshapen(path):
    state = small(3).state_dict()
    state["stem.0.weight"] = torch.zeros(7, 3, 3, 3)
    save_file(state, path)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("none.pth", lambda path: None, "which is no file: name a .safetensors or .pth file, or say DEFAULT"),
        ("hostile.pth", lambda path: torch.save(Evil(), path), "which holds more than tensors; loading it could run code"),
        ("text.pth", lambda path: path.write_text("hello"), "which"),
        ("cut.safetensors", lambda path: path.write_bytes(b"1234"), "which can't be read"),
        ("list.pth", lambda path: torch.save([1], path), "which holds no state dict"),
        ("other.safetensors", write_other, "which is not small_cnn's state dict: it lacks"),
        ("shape.safetensors", write_misshapen, "which is not small_cnn's state dict: of another shape are stem.0.weight"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_a_sentence(tmp_path, capsys, name, write, message):
    write(tmp_path / name)
    with pytest.raises(InputError, match=r"^train\.weights is '") as error:
        weights.load(small(3), "small_cnn", str(tmp_path / name))
    assert message in str(error.value)
    assert "code ran" not in capsys.readouterr().out


def test_the_small_network_has_no_published_weights():
    with pytest.raises(InputError, match="small_cnn has no published weights"):
        weights.load(small(3), "small_cnn", "DEFAULT")


@pytest.mark.slow
def test_weights_that_cant_be_downloaded_are_told(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(InputError, match="resnet18's weights can't be downloaded"):
        weights.load(export.build("resnet18", 3, side_px=32), "resnet18", "DEFAULT")
