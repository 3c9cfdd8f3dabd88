"""The leaks: one Parquet file, a row a tested image with a suspicious neighbour in training, and how many such images there are.

What the share says stands in the file's schema metadata. Only this module reads and writes such files.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import binomtest

from darkroom.metrics.intervals import share_interval
from darkroom.system.files import whole
from darkroom.system.formats import Format, record_from
from darkroom.units import Integers

SIGNIFICANCE = 0.05
COPY, SAME, SUSPICIOUS = "near_duplicate", "same_thing", "suspicious"  # what the pixels confirm, and what is only near by the vectors
_SCHEMA = pa.schema([(name, pa.string()) for name in ("image_id", "path", "other_id", "other", "check")] + [("score", pa.float64())])
_FORMAT = Format("table of leaks")
_KEY = b"darkroom"


@dataclass(frozen=True)
class Leak:
    """A tested image with the training image that is most like it.

    Attributes:
        image_id: The tested image.
        path: Its path.
        other_id: The training image.
        other: Its path.
        check: `near_duplicate` or `same_thing` where the pixels confirm it, else `suspicious`.
        score: Correlation of the details, or of a suspicious pair the cosine of the vectors.
    """

    image_id: str
    path: str
    other_id: str
    other: str
    check: str
    score: float


@dataclass(frozen=True)
class Leaks:
    """What leaks from training into the images that are tested on.

    Attributes:
        found: A row a tested image that leaks, the surest first.
        num_images: Images that were tested for leaks.
        share: Of them, that leak, 0 to 1.
        low: Lower limit of the 95 % interval of the share.
        high: Its upper limit.
        beyond_chance: Whether more leak than is to be expected of images of different things.
        floor: Measures of a linear model on the embeddings under the split as it is (`as_split`) and under a split by clusters of the
            embeddings (`by_clusters`), both by cross-validation; empty where they were not fitted.
        sample: Ids of the images that were tested for leaks, where these are not all that the model is tested on.
    """

    found: tuple[Leak, ...]
    num_images: int
    share: float
    low: float
    high: float
    beyond_chance: bool
    floor: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    sample: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """Writes the file; equal leaks make equal bytes."""
        values = {name: value for name, value in asdict(self).items() if name != "found"}
        table = pa.Table.from_pylist([asdict(one) for one in self.found], schema=_SCHEMA)
        with whole(path) as draft:
            pq.write_table(table.replace_schema_metadata({_KEY: json.dumps(_FORMAT.stamp(values), sort_keys=True).encode()}), draft)

    def plain(self) -> dict[str, Any]:
        """The figures as JSON has them."""
        return {name: getattr(self, name) for name in ("share", "low", "high", "num_images", "beyond_chance", "floor")}

    def __str__(self) -> str:
        which = "sampled" if self.sample else "tested"
        return f"{self.share:.1%} of the {self.num_images:,} {which} images (95 %: {self.low:.1%} to {self.high:.1%})"


def leaks_of(
    found: Sequence[Leak],
    leaking: npt.NDArray[np.bool_],
    units: Integers,
    chance: float,
    floor: Mapping[str, Mapping[str, float]],
    sample: Sequence[str] = (),
) -> Leaks:
    """Counts leaks.

    Args:
        found: A row a tested image that leaks.
        leaking: `(N,) bool`: which of the tested images these are.
        units: `(N,)`: images of one number are one observation.
        chance: Share of images of different things that are suspicious.
        floor: See `Leaks`.
        sample: See `Leaks`.
    """
    low, high = share_interval(leaking, units)
    num_units = len(np.unique(units[leaking]))
    confirmed = any(one.check != SUSPICIOUS for one in found)
    _, sizes = np.unique(units, return_counts=True)
    by_unit = float((1 - (1 - chance) ** sizes).mean())  # a unit of many images has as many chances
    p_value = binomtest(num_units, len(sizes), by_unit, alternative="greater").pvalue
    rows = sorted(found, key=lambda one: (one.check == SUSPICIOUS, -one.score, one.path))
    return Leaks(
        tuple(rows), len(leaking), float(leaking.mean()), low, high, bool(confirmed or p_value < SIGNIFICANCE), floor, tuple(sample)
    )


def read_leaks(path: Path) -> Leaks | None:
    """Reads the file; nothing where the images were not tested for leaks, as without embeddings.

    Raises:
        InputError: A later version of Darkroom wrote the file.
    """
    table = pq.read_table(path)
    values = _FORMAT.upgrade(json.loads((table.schema.metadata or {})[_KEY]), path)
    found = tuple(record_from(Leak, row) for row in table.to_pylist())
    return record_from(Leaks, {**values, "found": found, "sample": tuple(values.get("sample", ()))}) if "share" in values else None


def write_untested(path: Path) -> None:
    """Writes the file of images that were not tested."""
    with whole(path) as draft:
        pq.write_table(_SCHEMA.empty_table().replace_schema_metadata({_KEY: json.dumps(_FORMAT.stamp({})).encode()}), draft)
