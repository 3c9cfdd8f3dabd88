"""Names that are too long for where they stand."""


def shortened(name: str, length: int) -> str:
    """A name of at most so many characters: of a longer one beginning and end, as names of classes often begin alike.

    Args:
        name: In full.
        length: 3 at least.
    """
    if len(name) <= length:
        return name
    end = (length - 1) // 2
    return f"{name[: length - 1 - end]}…{name[-end:]}"
