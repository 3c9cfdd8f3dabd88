"""Packed images and the one way they are decoded, on really encoded files of every mode."""

import io
import struct
import zlib

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from darkroom.images import SCHEMA, Images, ImageWriter, image_id, packed_nothing
from darkroom.picture_info import read_info
from darkroom.pixels import TooManyPixelsError, UndecodedError, UnreadableError, decode, pixels, shrunk
from darkroom.preprocessing.recipe import Recipe

RAMP = np.linspace(0, 255, 12 * 10).reshape(10, 12).astype(np.uint8)


def encode(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bomb(side=50_000):
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def grey(kind="PNG", **options):
    return encode(Image.fromarray(RAMP), kind, **options)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "PPM", "TGA", "PCX"])
def test_a_grey_picture_decodes_to_three_equal_channels(kind):
    picture = np.asarray(decode(grey(kind)))
    assert picture.shape == (10, 12, 3)
    assert np.array_equal(picture, np.repeat(RAMP[..., None], 3, axis=2))


def test_webp_decodes_without_loss():
    colour = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=2)
    assert np.array_equal(np.asarray(decode(encode(Image.fromarray(colour), "WEBP", lossless=True))), colour)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_lies_on_white(mode):
    image = Image.new(mode, (4, 4), (10, 0) if mode == "LA" else (10, 20, 30, 0))
    image.putpixel((1, 2), (10, 255) if mode == "LA" else (10, 20, 30, 255))
    picture = decode(encode(image, "PNG"))
    assert picture.getpixel((0, 0)) == (255, 255, 255)
    assert picture.getpixel((1, 2)) == ((10, 10, 10) if mode == "LA" else (10, 20, 30))


def test_a_palette_with_transparency_lies_on_white():
    image = Image.new("P", (4, 4), 0)
    image.putpalette([200, 0, 0, 0, 100, 0])
    image.putpixel((3, 3), 1)
    picture = decode(encode(image, "PNG", transparency=0))
    assert picture.getpixel((0, 0)) == (255, 255, 255)
    assert picture.getpixel((3, 3)) == (0, 100, 0)


def test_a_bilevel_picture_is_black_and_white():
    image = Image.new("1", (4, 4))
    image.putpixel((0, 0), 1)
    picture = decode(encode(image, "PNG"))
    assert (picture.getpixel((0, 0)), picture.getpixel((1, 1))) == ((255, 255, 255), (0, 0, 0))


def test_a_cmyk_jpeg_keeps_its_colour():
    red = decode(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95))
    assert np.allclose(np.asarray(red)[8, 8], [255, 0, 0], atol=6)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_twelve_bits_fill_the_range(kind):
    values = np.array([[0, 1024], [2048, 4095]], dtype=np.uint16)
    assert np.asarray(decode(encode(Image.fromarray(values), kind)))[..., 0].tolist() == [[0, 64], [128, 255]]


def test_sixteen_bits_fill_the_range():
    values = np.array([[0, 65535], [32768, 257]], dtype=np.uint16)
    assert np.asarray(decode(encode(Image.fromarray(values), "PNG")))[..., 0].tolist() == [[0, 255], [128, 1]]


def test_signed_values_keep_what_lies_below_zero():
    hounsfield = np.array([[-1024, 0], [1024, 3071]], dtype=np.int32)
    assert np.asarray(decode(encode(Image.fromarray(hounsfield), "TIFF")))[..., 0].tolist() == [[0, 64], [128, 255]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([[0.0, 0.5], [1.0, np.nan]], [[0, 128], [255, 0]]), ([[-1.0, 0.0], [0.5, 1.0]], [[0, 128], [191, 255]]), ([[0, 255]], [[0, 255]])],
    ids=["zero to one", "minus one to one", "bytes"],
)
def test_floats_are_scaled_by_what_they_range_over(values, expected):
    data = encode(Image.fromarray(np.array(values, dtype=np.float32)), "TIFF")
    assert np.asarray(decode(data))[..., 0].tolist() == expected


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_respected_by_size_and_pixels(kind, orientation):
    image = Image.fromarray(np.repeat(np.repeat(RAMP, 4, axis=0), 4, axis=1)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    data = encode(image, kind, exif=exif, **options)
    turned = np.asarray(image)
    turned = {
        1: turned, 2: turned[:, ::-1], 3: turned[::-1, ::-1], 4: turned[::-1],
        5: turned.swapaxes(0, 1), 6: turned.swapaxes(0, 1)[:, ::-1], 7: turned.swapaxes(0, 1)[::-1, ::-1], 8: turned.swapaxes(0, 1)[::-1],
    }[orientation]  # fmt: skip
    picture = np.asarray(decode(data))
    assert read_info(data).size == (picture.shape[1], picture.shape[0])
    assert np.abs(picture.astype(int) - turned).max() <= 4


def test_a_png_with_its_orientation_behind_the_pixels_is_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = grey()
    data = data[:-12] + chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")) + data[-12:]
    assert read_info(data).size == decode(data).size == (10, 12)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_does_not_cost_the_picture():
    data = encode(Image.fromarray(RAMP), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0")
    assert decode(data).size == read_info(data).size == (12, 10)


def test_the_first_frame_of_an_animation_counts():
    frames = [Image.new("L", (6, 6), value) for value in (10, 200)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data).getpixel((3, 3)) == (10, 10, 10)


@pytest.mark.parametrize("data", [b"", b"not an image", b"\xff\xd8\xff\xe0 and no more", bytes(4096)])
def test_bytes_that_are_no_image_are_unreadable(data):
    for look in (read_info, decode):
        with pytest.raises(UnreadableError):
            look(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "GIF", "WEBP", "BMP"])
def test_a_truncated_file_is_unreadable(kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise), kind)
    with pytest.raises(UnreadableError):
        decode(data[: len(data) // 2])


def test_a_bomb_is_refused_on_its_header():
    assert read_info(bomb()).size == (50_000, 50_000)
    with pytest.raises(TooManyPixelsError, match=r"50,000 x 50,000 pixels are more than the 100,000,000"):
        decode(bomb())


def test_a_bomb_inside_an_icon_is_refused():
    inside = bomb(20_000)
    icon = struct.pack("<HHH", 0, 1, 1) + struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(inside), 22) + inside
    with pytest.raises(TooManyPixelsError):
        decode(icon)


def test_postscript_is_no_picture():
    with pytest.raises(UndecodedError, match="PostScript"):
        decode(encode(Image.fromarray(RAMP), "EPS"))


def test_pixels_are_the_whole_picture_as_a_square():
    picture = pixels(encode(Image.new("RGB", (40, 20), (1, 2, 3)), "PNG"), Recipe(8))
    assert picture.shape == (8, 8, 3)
    assert picture.dtype == np.uint8
    assert (picture == [1, 2, 3]).all()


def test_pixels_of_the_right_size_are_untouched():
    assert np.array_equal(pixels(encode(Image.fromarray(RAMP[:10, :10]), "PNG"), Recipe(10))[..., 0], RAMP[:10, :10])


def test_packed_files_come_back_byte_for_byte(tmp_path):
    files = [b"one", b"", b"two" * 1000]
    with ImageWriter(tmp_path / "images") as writer:
        names = [writer.add(data) for data in files]
    packed = Images(tmp_path / "images")
    assert [packed[name] for name in names] == files
    assert names == [image_id(data) for data in files]
    assert list(packed) == names


def test_a_file_that_comes_twice_is_stored_once(tmp_path):
    with ImageWriter(tmp_path) as writer:
        assert writer.add(b"same") == writer.add(b"same")
    assert len(Images(tmp_path)) == 1


def test_large_packs_are_split_into_shards_and_read_as_one(tmp_path):
    with ImageWriter(tmp_path / "a", shard_bytes=100) as writer:
        names = [writer.add(bytes([number]) * 40) for number in range(7)]
    with ImageWriter(tmp_path / "b") as writer:
        names.append(writer.add(b"more"))
    assert len(list((tmp_path / "a").glob("*.arrow"))) == 4
    packed = Images(tmp_path / "a", tmp_path / "b")
    assert [packed[name] for name in names] == [*(bytes([number]) * 40 for number in range(7)), b"more"]
    assert "unknown" not in packed


def test_no_image_at_all_still_makes_a_shard(tmp_path):
    with ImageWriter(tmp_path / "images"):
        pass
    (shard,) = (tmp_path / "images").iterdir()
    assert len(Images(tmp_path / "images")) == 0
    assert packed_nothing(tmp_path / "images")
    shard.write_bytes(shard.read_bytes()[:-9])
    assert not packed_nothing(tmp_path / "images")  # whoever reads it tells what is wrong
    assert not packed_nothing(tmp_path)
    with ImageWriter(tmp_path / "one") as writer:
        writer.add(b"one")
    assert not packed_nothing(tmp_path / "one")


def test_equal_images_make_equal_bytes(tmp_path):
    for name in ("a", "b"):
        with ImageWriter(tmp_path / name) as writer:
            writer.add(b"one")
            writer.add(b"two")
    assert (tmp_path / "a/images-00000.arrow").read_bytes() == (tmp_path / "b/images-00000.arrow").read_bytes()


@pytest.mark.parametrize(
    ("side", "kind", "is_smaller"), [(127, "JPEG", False), (128, "JPEG", True), (300, "JPEG", True), (300, "PNG", False)]
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_picture_decoded_in_full_becomes_the_one_of_a_fraction(side: int, kind: str, is_smaller: bool, orientation: int) -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    values = np.random.default_rng(side).integers(0, 256, (side, side + 90, 3), dtype=np.uint8)
    Image.fromarray(values).save(file, kind, exif=exif)
    full, expected = decode(file.getvalue()), decode(file.getvalue(), at_least_px=64)
    found = shrunk(full, file.getvalue(), 64)
    assert (found.size, found.tobytes()) == (expected.size, expected.tobytes())
    assert (found.size != full.size, found is not full) == (is_smaller, is_smaller)


def test_shards_with_batches_of_no_image_and_with_images_of_others_are_read(tmp_path):
    files = {image_id(data): data for data in (b"a", b"bb", b"ccc")}
    names = list(files)
    for number, batches in enumerate(([[], names[:2], []], [[], names[1:], []])):
        with pa.ipc.new_file(str(tmp_path / f"images-{number:05d}.arrow"), SCHEMA) as writer:
            for batch in batches:
                columns = [pa.array(batch, pa.string()), pa.array([files[name] for name in batch], pa.large_binary())]
                writer.write_batch(pa.record_batch(columns, schema=SCHEMA))
    images = Images(tmp_path)
    assert {name: images[name] for name in images} == files
    assert [images.size(name) for name in names] == [1, 2, 3]
