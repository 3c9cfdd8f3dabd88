"""DICOM as pictures of 8 bits, as a viewer first shows them; needs `pydicom` (the extra `dicom`), which is imported where it is needed."""

import io
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from darkroom.dicom_header import is_bare_dicom, is_dicom

PERCENTILES = (0.5, 99.5)  # what is black and what is white where a file has no window

Floats = npt.NDArray[np.float64]

warnings.filterwarnings("ignore", category=UserWarning, module="pydicom")  # about odd elements, which are not needed


def size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the header alone.

    Raises:
        Exception: The header can't be read; pydicom raises nearly anything.
        ValueError: The file holds no picture, or several.
    """
    header = _header(data)
    _refuse_several(header)
    return int(header.Columns), int(header.Rows)


def mode(data: bytes) -> str:
    """Pillow's name of what the picture is decoded to, from the header alone; errors as of `size`."""
    header = _header(data)
    return "RGB" if int(header.SamplesPerPixel) == 3 or header.PhotometricInterpretation == "PALETTE COLOR" else "L"


def patient(data: bytes) -> str | None:
    """The patient's id; none where the file has none, is cut off before it, or is no DICOM."""
    if not is_dicom(data):
        return None
    try:
        return str(_header(data).get("PatientID") or "").strip() or None
    except Exception:  # pydicom raises nearly anything on bad bytes; the picture itself says what is wrong
        return None


def decode(data: bytes) -> Image.Image:
    """The picture: grey values through the file's first window, or between two percentiles; of MONOCHROME1 they are inverted.

    Raises:
        Exception: The file can't be decoded; pydicom raises nearly anything.
        ValueError: It holds no picture, or several.
    """
    import pydicom
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

    dataset = pydicom.dcmread(io.BytesIO(data), force=is_bare_dicom(data))
    _refuse_several(dataset)
    _tell_encoding(dataset)
    kind = dataset.PhotometricInterpretation
    values = _stored(dataset)
    if kind == "PALETTE COLOR":
        values = apply_color_lut(values, dataset)
    if values.ndim == 3:
        return Image.fromarray(
            _eight_bits(values.astype(np.float64) / (np.iinfo(values.dtype).max if kind == "PALETTE COLOR" else _full(dataset)))
        )
    shares = _shares(apply_modality_lut(values, dataset).astype(np.float64), values, dataset)
    return Image.fromarray(_eight_bits(1 - shares if kind == "MONOCHROME1" else shares))


def _header(data: bytes) -> Any:
    import pydicom

    return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, force=is_bare_dicom(data))


def _tell_encoding(dataset: Any) -> None:
    """Says how a file is encoded that does not say so itself, as one without a preamble: its elements show it, if nothing is compressed."""
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if "TransferSyntaxUID" in dataset.file_meta:
        return
    if "PixelData" in dataset and dataset["PixelData"].is_undefined_length:
        raise ValueError("a DICOM file that is compressed, and does not say how: write its transfer syntax into it, or convert it to PNG")
    is_implicit, is_little = dataset.original_encoding
    explicit = ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if is_implicit else explicit


def _stored(dataset: Any) -> npt.NDArray[Any]:
    """The pixels as they are stored, decompressed."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.pixels.utils import pixel_array

    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        return pixel_array(dataset)
    method = f"{syntax.name} (transfer syntax {syntax})"
    remedy = "write it uncompressed, for example with GDCM (`gdcmconv --raw FILE OUTPUT`), or convert it to PNG"
    try:
        if get_decoder(syntax).is_available:
            return pixel_array(dataset)
    except NotImplementedError:
        pass
    except RuntimeError as error:
        raise ValueError(
            f"a DICOM file compressed as {method} that can't be decoded ({str(error).splitlines()[-1].strip()}): {remedy}"
        ) from None
    raise ValueError(f"a DICOM file compressed as {method}, which is not decoded: {remedy}")


def _refuse_several(dataset: Any) -> None:
    if "Rows" not in dataset or "Columns" not in dataset:
        raise ValueError("a DICOM file without a picture, such as a report")
    if (num_frames := int(dataset.get("NumberOfFrames") or 1)) > 1:
        raise ValueError(f"a DICOM file of {num_frames} frames: write each as a file of its own")


def _full(dataset: Any) -> float:
    """The largest value that a sample may have."""
    return float(2 ** int(dataset.BitsStored) - 1)


def _eight_bits(shares: Floats) -> npt.NDArray[np.uint8]:
    return np.rint(255 * np.clip(shares, 0, 1)).astype(np.uint8)


def _shares(values: Floats, stored: npt.NDArray[Any], dataset: Any) -> Floats:
    """Grey values as shares of white, `(H, W)`, 0 to 1.

    Args:
        values: In the units of the device, such as Hounsfield's.
        stored: The same as they are stored.
        dataset: The file.
    """
    if dataset.get("VOILUTSequence"):
        from pydicom.pixels.processing import apply_voi

        table = dataset.VOILUTSequence[0]
        looked_up: Floats = np.asarray(apply_voi(values.astype(np.int64), dataset), dtype=np.float64)
        return looked_up / float(2 ** int(table.LUTDescriptor[2]) - 1)
    centers, widths = dataset.get("WindowCenter"), dataset.get("WindowWidth")
    if centers is not None and widths is not None:
        return windowed(values, _first(centers), _first(widths), str(dataset.get("VOILUTFunction") or "LINEAR"))
    padding = dataset.get("PixelPaddingValue")
    seen = values if padding is None else values[stored != padding]
    low, high = np.percentile(seen, PERCENTILES) if seen.size else (0.0, 0.0)
    return np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros_like(values)


def windowed(values: Floats, center: float, width: float, function: str = "LINEAR") -> Floats:
    """Grey values through a window, as shares of white, 0 to 1.

    Args:
        values: Of any shape.
        center: The window's, in the values' unit.
        width: In the same unit.
        function: `LINEAR`, `LINEAR_EXACT` or `SIGMOID`.

    Source: DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3.
    """
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - center) / max(width, 1e-9), -700, 700)))
    if function != "LINEAR_EXACT":
        center, width = center - 0.5, width - 1
    if width <= 0:
        return (values > center).astype(np.float64)
    shares: Floats = np.clip((values - center) / width + 0.5, 0, 1)
    return shares


def _first(value: Any) -> float:
    return float(value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value)
