"""How a DICOM file starts: with a preamble and `DICM`, or, as some programs write it, with its first elements."""

from typing import Literal

_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # types whose lengths have 4 bytes
_SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_NUM_ELEMENTS = 3  # that follow each other as a file's do
_MAX_LENGTH = 4096  # bytes of one of these


def is_dicom(data: bytes) -> bool:
    """Whether a file begins as DICOM does.

    Args:
        data: Its first bytes, 4096 or more.
    """
    return data[128:132] == b"DICM" or is_bare_dicom(data)


def is_bare_dicom(data: bytes) -> bool:
    """Whether a file without a preamble begins with elements of the group 0002 (of the file) or 0008 (of the examination).

    The first elements must have a length that fits, and numbers that rise; those of the group 0002 a type that exists.

    Args:
        data: Its first bytes.

    Source: DICOM PS3.5, section 7.1.
    """
    if data[:2] in (b"\x02\0", b"\x08\0"):
        return _has_elements(data, "little")
    return data[:2] == b"\0\x08" and _has_elements(data, "big")


def _has_elements(data: bytes, order: Literal["little", "big"]) -> bool:
    place, last = 0, (0, -1)
    for _ in range(_NUM_ELEMENTS):
        tag = _number(data, place, 2, order), _number(data, place + 2, 2, order)
        kind = data[place + 4 : place + 6]
        if kind in _SHORT:
            start, length = place + 8, _number(data, place + 6, 2, order)
        elif kind in _LONG:
            start, length = place + 12, _number(data, place + 8, 4, order)
        else:
            start, length = place + 8, _number(data, place + 4, 4, order)
            if tag[0] == 2 or order == "big":  # whose elements always say their type
                return False
        if tag <= last or tag[0] % 2 or length % 2 or length > _MAX_LENGTH or start + length > len(data):
            return False
        place, last = start + length, tag
    return True


def _number(data: bytes, start: int, num_bytes: int, order: Literal["little", "big"]) -> int:
    return int.from_bytes(data[start : start + num_bytes], order)
