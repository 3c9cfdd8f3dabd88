"""The header of a TIFF: what it says of a picture that can't be decoded, and whether the file is a camera's raw one."""

_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two of BigTIFF
_BITS, _COMPRESSION, _BANDS, _KIND, _INNER, _DNG = 258, 259, 277, 254, 330, 50706  # numbers of tags
_THUMBNAIL = 1
_SIZES = {1: 1, 3: 2, 4: 4, 13: 4, 16: 8}  # bytes of a value by its type
_METHODS = {
    **{1: "uncompressed", 2: "CCITT", 3: "CCITT", 4: "CCITT", 5: "LZW", 6: "old-style JPEG", 7: "JPEG", 8: "Deflate", 32773: "PackBits"},
    **{32946: "Deflate", 33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000", 34887: "LERC", 34925: "LZMA", 50000: "Zstandard"},
    **{50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL"},
}


def is_tiff(data: bytes) -> bool:
    """Whether a file starts as a TIFF does."""
    return data.startswith(_STARTS)


def is_raw(data: bytes) -> bool:
    """Whether a TIFF is a camera's, whose first picture is a thumbnail of the one that it holds elsewhere."""
    if data[8:10] == b"CR":
        return True
    tags = tiff_tags(data)
    return _DNG in tags or (tags.get(_KIND) == _THUMBNAIL and _INNER in tags)


def describe_tiff(data: bytes) -> str:
    """What a TIFF is that Pillow does not decode, and what to do."""
    tags = tiff_tags(data)
    if not tags:
        return "a TIFF whose header is damaged or cut off"
    bands, method = tags.get(_BANDS, 1), tags.get(_COMPRESSION, 1)
    kind = f"{bands} band{'s' if bands != 1 else ''} of {tags.get(_BITS, 1)} bits, {_METHODS.get(method, f'compression {method}')}"
    return f"a TIFF that Pillow does not decode ({kind}): write the one or three bands that show it as a PNG of 8 or 16 bits"


def tiff_tags(data: bytes) -> dict[int, int]:
    """The tags of a TIFF's first picture, each with its first value; empty where they can't be read.

    Source: TIFF 6.0, section 2, and BigTIFF.
    """
    order, big = ("little" if data[:2] == b"II" else "big"), b"+" in data[2:4]
    count_bytes, num_bytes = (8, 8) if big else (2, 4)  # of the number of entries, and of a number of values or a place

    def number(place: int, size: int) -> int:
        return int.from_bytes(data[place : place + size], order)  # type: ignore[arg-type]

    start = number(8, 8) if big else number(4, 4)
    tags = {}
    for index in range(min(number(start, count_bytes), 512)):
        place = start + count_bytes + (4 + 2 * num_bytes) * index
        value, size = place + 4 + num_bytes, _SIZES.get(number(place + 2, 2), num_bytes)
        if value + num_bytes > len(data):
            break
        inside = number(place + 4, num_bytes) * size <= num_bytes
        tags[number(place, 2)] = number(value if inside else number(value, num_bytes), size)
    return tags
