"""The architectures that there are, by name."""

import difflib

from darkroom.system.errors import InputError

OWN = ("small_cnn",)


def check_architecture(name: str) -> None:
    """Raises `InputError`, with the names that are near, unless it is `small_cnn` or a torchvision classification model's name."""
    if name in OWN:
        return
    from torchvision import models  # takes seconds to import, and the small network does without

    known = [*OWN, *models.list_models(module=models)]
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known)}"
        raise InputError(f"train.architecture is {name!r}, which is no network: {hint}")
