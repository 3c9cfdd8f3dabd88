"""What images published networks were trained on: their size and normalisation, from torchvision and timm; nothing is downloaded."""

from typing import Literal

from darkroom.preprocessing.recipe import Recipe
from darkroom.system.errors import InputError

Input = tuple[Recipe, tuple[float, ...], tuple[float, ...]]


def published_input(name: str) -> Input:
    """Recipe, mean and standard deviation of the images that a network's weights are made for.

    Args:
        name: A classifier of torchvision or timm.

    Raises:
        InputError: Nothing is published for it.
    """
    from torchvision import models  # takes seconds to import

    if name in models.list_models(module=models):
        return _of_torchvision(name)
    import timm

    known = timm.get_pretrained_cfg(name.removeprefix("timm/")) if timm.is_model(name.removeprefix("timm/")) else None
    if known is None:
        raise InputError(f"embed.backbone is {name!r}, for which no size of images is known: name a model's folder in embed.weights")
    recipe = Recipe(known.input_size[1], _filter(known.interpolation), float(known.crop_pct))
    return recipe, tuple(known.mean), tuple(known.std)


def _of_torchvision(name: str) -> Input:
    from torchvision import models

    transforms = models.get_model_weights(name).DEFAULT.transforms()
    (side,), (resized,) = transforms.crop_size, transforms.resize_size
    recipe = Recipe(side, _filter(transforms.interpolation.value), side / resized)
    return recipe, tuple(transforms.mean), tuple(transforms.std)


def _filter(name: str) -> Literal["bilinear", "bicubic"]:
    return "bilinear" if name == "bilinear" else "bicubic"
