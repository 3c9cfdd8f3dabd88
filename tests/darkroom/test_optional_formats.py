"""HEIC and DICOM are decoded where their extra is installed; AVIF always."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.pixels import apply_windowing
from pydicom.uid import JPEGBaseline8Bit

from darkroom import dicom, file_formats
from darkroom.picture_info import read_info
from darkroom.pixels import TooManyPixelsError, UndecodedError, UnreadableError, decode
from tests.layouts import by_path, ingested, lay, picture
from tests.optional_pictures import HEIC, TURNED, bare, scan

RAMP = np.arange(0, 4096, dtype=np.uint16).reshape(64, 64)


def grey(data: bytes) -> np.ndarray:
    return np.asarray(decode(data))[..., 0]


@pytest.mark.parametrize(("kind", "mode"), [("MONOCHROME2", "L"), ("MONOCHROME1", "L"), ("PALETTE COLOR", "RGB")])
def test_the_header_says_what_is_decoded_to(kind: str, mode: str) -> None:
    assert read_info(scan(RAMP, kind)).mode == mode


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("center", "width"), [(1000, 500), (2048, 4096), (40.5, 400)])
def test_a_window_is_that_of_the_standard(function: str, center: float, width: float) -> None:
    data = scan(RAMP, WindowCenter=center, WindowWidth=width, VOILUTFunction=function)
    dataset = pydicom.dcmread(io.BytesIO(data))
    expected = apply_windowing(RAMP, dataset) / (2**16 - 1)  # pydicom's own, in 16 bits
    assert np.abs(grey(data) - 255 * expected).max() <= 0.5 + 1e-9


def test_a_window_counts_in_the_devices_unit_and_of_several_the_first() -> None:
    data = scan(RAMP, RescaleIntercept=-1024, RescaleSlope=1, WindowCenter=[40, 500], WindowWidth=[400, 2000])
    values = RAMP.astype(np.float64) - 1024
    assert np.array_equal(grey(data), np.rint(255 * dicom.windowed(values, 40, 400)).astype(np.uint8))


def test_without_a_window_percentiles_are_black_and_white() -> None:
    values = RAMP.copy()
    values[0, 0] = 65535  # one dead pixel does not darken the rest
    found = grey(scan(values))
    low, high = np.percentile(values, (0.5, 99.5))
    assert np.array_equal(found, np.rint(255 * np.clip((values - low) / (high - low), 0, 1)).astype(np.uint8))
    assert np.array_equal(grey(scan(np.full((4, 4), 7, np.int16))), np.zeros((4, 4), np.uint8))


def test_padding_does_not_count() -> None:
    values = np.full((64, 64), -2000, np.int16)
    values[:32] = np.arange(2048, dtype=np.int16).reshape(32, 64)
    found = grey(scan(values, PixelPaddingValue=-2000))
    assert found[32:].max() == 0
    assert found[16].mean() == pytest.approx(131, abs=4)


def test_monochrome1_is_inverted() -> None:
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    assert np.abs(grey(scan(RAMP, "MONOCHROME1", **window)).astype(int) - (255 - grey(scan(RAMP, **window)).astype(int))).max() <= 1


def test_colour_stays_as_it_is() -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(decode(scan(values, "RGB"))), values)
    assert read_info(scan(values, "RGB")).size == (7, 5)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (scan(np.zeros((8, 4), np.uint8), NumberOfFrames=2, Rows=4), "2 frames: write each as a file of its own"),
        (bytes(128) + b"DICM" + bytes(100), "without a picture"),
        (scan(RAMP)[:-100], "less than expected"),
        (HEIC[:200], "a HEIC file that can't be opened"),
        (HEIC[:356] + b"\x40" + HEIC[357:], "it holds 32 x 48 pixels, but its header says 64 x 48"),
    ],
    ids=["frames", "no picture", "cut off", "cut off HEIC", "HEIC of another size"],
)
def test_what_can_not_be_decoded_says_why(data: bytes, message: str) -> None:
    with pytest.raises(UnreadableError, match=message):
        decode(data)


@pytest.mark.parametrize(("implicit", "little"), [(False, True), (True, True), (False, False)])
@pytest.mark.parametrize("kind", ["MONOCHROME2", "RGB"])
def test_a_scan_without_preamble_is_decoded_as_one_with_it(implicit: bool, little: bool, kind: str) -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 8, 3), dtype=np.uint8) if kind == "RGB" else RAMP
    whole, without = scan(values, kind), bare(scan(values, kind), implicit=implicit, little=little)
    assert without[:4] != whole[:4] and b"DICM" not in without
    assert np.array_equal(np.asarray(decode(without)), np.asarray(decode(whole)))
    assert read_info(without) == read_info(whole)
    assert dicom.patient(without) == "p1"


def test_a_scan_without_preamble_keeps_what_its_file_header_says() -> None:
    path = Path(pydicom.__file__).parent / "data" / "test_files" / "SC_rgb_jpeg_dcmtk.dcm"
    assert decode(path.read_bytes()[132:]).tobytes() == decode(path.read_bytes()).tobytes()


def test_a_compressed_scan_that_does_not_say_how_is_told() -> None:
    path = Path(pydicom.__file__).parent / "data" / "test_files" / "SC_rgb_jpeg_dcmtk.dcm"
    dataset = pydicom.dcmread(path)
    assert dataset.file_meta.TransferSyntaxUID == JPEGBaseline8Bit
    file = io.BytesIO()
    del dataset.file_meta, dataset.preamble
    pydicom.dcmwrite(file, dataset, implicit_vr=False, little_endian=True, force_encoding=True)
    with pytest.raises(UnreadableError, match="compressed, and does not say how: write its transfer syntax into it"):
        decode(file.getvalue())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("SC_rgb_jpeg_gdcm", r"compressed as JPEG Lossless.* \(transfer syntax 1\.2\.840\.10008\.1\.2\.4\.70\), which is not decoded"),
        ("MR_small_jpeg_ls_lossless", r"JPEG-LS Lossless.* \(transfer syntax 1\.2\.840\.10008\.1\.2\.4\.80\), which is not decoded"),
        ("JPEGLSNearLossless_16", r"JPEG-LS Lossy.* \(transfer syntax 1\.2\.840\.10008\.1\.2\.4\.81\), which is not decoded"),
        ("JPGExtended", r"\(transfer syntax 1\.2\.840\.10008\.1\.2\.4\.51\) that can't be decoded \(.*12-bit precision\)"),
    ],
)
def test_a_scan_that_is_compressed_otherwise_is_told_with_the_remedy(name: str, says: str) -> None:
    path = Path(pydicom.__file__).parent / "data" / "test_files" / f"{name}.dcm"
    with pytest.raises(UnreadableError, match=says + ": write it uncompressed, .*`gdcmconv --raw"):
        decode(path.read_bytes())


def test_a_bomb_is_refused_by_its_header() -> None:
    data = scan(np.zeros((4, 4), np.uint8), Rows=65535, Columns=65535)
    with pytest.raises(TooManyPixelsError):
        decode(data)


def test_pydicoms_own_files_are_pictures_or_say_why() -> None:
    decoded = 0
    for path in sorted((Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm")):
        data = path.read_bytes()
        try:
            assert decode(data).size == read_info(data).size, path.name
            decoded += 1
        except UnreadableError as error:
            assert str(error), path.name
    assert decoded >= 35


def test_heic_is_decoded_and_turned() -> None:
    assert read_info(HEIC).size == (64, 48)
    assert np.abs(np.asarray(decode(HEIC)).astype(int)[[5, 40], 5] - [[200, 40, 40], [30, 60, 220]]).max() <= 4
    assert read_info(TURNED).size == decode(TURNED).size == (48, 64)
    assert np.abs(np.asarray(decode(TURNED)).astype(int)[5, [5, 40]] - [[30, 60, 220], [200, 40, 40]]).max() <= 4  # blue is left now


def test_avif_is_always_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_formats, "is_installed", lambda module: False)
    file = io.BytesIO()
    Image.new("RGB", (16, 8), (200, 40, 40)).save(file, "AVIF")
    assert read_info(file.getvalue()).size == decode(file.getvalue()).size == (16, 8)


@pytest.mark.parametrize(("data", "extra"), [(HEIC, "heic"), (scan(RAMP), "dicom")])
def test_without_the_extra_it_is_named(data: bytes, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_formats, "is_installed", lambda module: False)
    with pytest.raises(UndecodedError, match=rf"pip install 'darkroom\[{extra}\]'"):
        decode(data)


def test_scans_without_preamble_and_suffix_are_ingested(tmp_path: Path) -> None:
    files = {f"{kind}/IM{number}": bare(scan(RAMP + number + 9 * (kind == "sick"))) for kind in ("sick", "well") for number in range(3)}
    manifest = ingested(lay(tmp_path / "scans", [], files))
    assert by_path(manifest, "width") == dict.fromkeys(files, 64)


SCANS = {f"{kind}/{number}.dcm": scan(RAMP + number + 9 * (kind == "sick"), patient=f"p{number // 2}")
         for kind in ("sick", "well") for number in range(4)}  # fmt: skip


def test_the_patient_of_a_scan_is_its_group(tmp_path: Path) -> None:
    manifest = ingested(lay(tmp_path / "scans", ["sick/photo.png"], {**SCANS, "well/turned.heic": TURNED}))
    groups = {path: f"p{int(Path(path).stem) // 2}" for path in SCANS}
    assert by_path(manifest, "group") == {**groups, "sick/photo.png": None, "well/turned.heic": None}
    assert by_path(manifest, "width")["well/turned.heic"] == 48
    assert by_path(manifest, "width")["sick/0.dcm"] == 64
    assert any("2 patients stay together" in note.text for note in manifest.notes)


def test_a_group_of_the_table_goes_before_the_patient(tmp_path: Path) -> None:
    rows = "".join(f"{path},{path.partition('/')[0]},{'x' if '0' in path else 'y'}\n" for path in SCANS)
    manifest = ingested(lay(tmp_path / "scans", [], {**SCANS, "labels.csv": f"filename,label,group\n{rows}"}))
    assert set(manifest.column("group")) == {"x", "y"}


def test_one_id_for_all_is_no_patient(tmp_path: Path) -> None:
    same = {path: scan(RAMP + number, patient="ANON") for number, path in enumerate(SCANS)}
    manifest = ingested(lay(tmp_path / "scans", [], {**same, "sick/9.png": picture(1)}))
    assert set(manifest.column("group")) == {None}
    assert any("the same patient's id" in note.text for note in manifest.notes)
