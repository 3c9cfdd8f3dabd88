"""What a packaged model takes for an image."""

import base64

import pytest

from darkroom.registry.pyfunc_model import file_bytes
from darkroom.system.errors import InputError

FILE = bytes(range(256)) * 3 + b"?>"


@pytest.mark.parametrize(
    "value",
    [
        FILE,
        bytearray(FILE),
        memoryview(FILE),
        base64.b64encode(FILE).decode(),
        base64.encodebytes(FILE).decode(),
        base64.urlsafe_b64encode(FILE).decode().rstrip("="),
        f"data:image/png;base64,{base64.b64encode(FILE).decode()}",
    ],
    ids=["bytes", "bytearray", "memoryview", "base64", "in lines", "for addresses", "data address"],
)
def test_an_image_comes_as_bytes_or_as_base64(value: object) -> None:
    assert file_bytes(value) == FILE


@pytest.mark.parametrize("value", ["photo.jpg", "ünlesbar", None, 3.5, ["a"]])
def test_anything_else_is_one_sentence(value: object) -> None:
    with pytest.raises(InputError, match="base64"):
        file_bytes(value)
