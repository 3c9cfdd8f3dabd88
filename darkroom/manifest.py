"""The manifest: one Parquet file, a row a delivered file, that says which images count and for what.

Columns: `path` (unique), `image_id` (null where the file was not packed: it is above
ingest's size limit, or of a format that is not decoded), `label`
(single-label tasks) or `labels` (list, multi-label), `width`, `height` (pixels as shown; null where the file can't be read),
`image_mode` and `image_format` (Pillow's names, such as RGB and JPEG), `image_bytes` (the file's size), `exif_orientation` (1 to 8),
`exif_taken_at` (by the camera's own clock, without a time zone) and `exif_camera` (what the file does not say is null; manifests of
earlier versions have none of these six),
`group` (the user's: patient, product; null where there is none),
`given_split` (train, validation or test where the source says so), what the steps add: `cluster` (clean: the smallest
`image_id` of what shows the same), `pixel_hash` (clean: equal for equal pixels), `split` (split), `source_id` (augment: the
image that a copy was made from), `validation_fold` (split: the fold of cross-validation
in which an image is held out; null of test images), `label_score` (clean: how likely the label is wrong, 0 to 1; null where it was
not judged), `proposed_action`, `proposed_label` and `proposed_labels` (see `darkroom.proposals`), and under any other name the
further columns of the
user's own table, in their own types. Task, class order and data version stand in the
file's schema metadata. Only this module reads and writes manifests: pandas loses that metadata.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from darkroom import notes as noun
from darkroom.notes import Note
from darkroom.system.errors import InputError
from darkroom.system.files import whole
from darkroom.system.formats import Format, record_from
from darkroom.task import TASKS, Task
from darkroom.verdicts import Verdict

if TYPE_CHECKING:
    import pandas as pd

FOLD = "validation_fold"
WEIGHTLESS = "weightless"  # the split, within a training, of training images whose loss does not count
COLUMNS: Mapping[str, pa.DataType] = {
    "path": pa.string(),
    "image_id": pa.string(),
    "label": pa.string(),
    "labels": pa.list_(pa.string()),
    "width": pa.int32(),
    "height": pa.int32(),
    "group": pa.string(),
    "given_split": pa.string(),
    "cluster": pa.string(),
    "pixel_hash": pa.string(),
    "split": pa.string(),
    "source_id": pa.string(),
    FOLD: pa.int32(),
    "label_score": pa.float64(),
    "proposed_action": pa.string(),
    "proposed_label": pa.string(),
    "proposed_labels": pa.list_(pa.string()),
    "image_mode": pa.string(),
    "image_format": pa.string(),
    "image_bytes": pa.int64(),
    "exif_orientation": pa.int32(),
    "exif_taken_at": pa.timestamp("us"),
    "exif_camera": pa.string(),
}
OF_FILES = ("image_mode", "image_format", "image_bytes", "exif_orientation")  # describe the file itself: those of a copy are others
_LATER = frozenset((*OF_FILES, "exif_taken_at", "exif_camera"))  # in earlier manifests these may be columns of the user's own
RESERVED = frozenset({*COLUMNS, "unit", "truth", "predicted"})  # here, and in the predictions of an evaluation
PROBABILITY = "probability:"  # begins the name of a class's column in the predictions
_FORMAT = Format("manifest")
_KEY, _VERDICTS = b"darkroom", "verdicts"


@dataclass(frozen=True)
class Manifest:
    """A table of images with what it means.

    Attributes:
        table: A row an image, columns from `COLUMNS` and the user's own.
        classes: Class names in the order of every model's outputs.
        task: `binary` (the second class is the positive one), `multiclass` or `multilabel`.
        data_version: Hash of the data that was read.
        notes: What the steps before decided, in their order.
        verdicts: What people decided about these images, from `ingest` to `clean`, which applies it.
    """

    table: pa.Table
    classes: tuple[str, ...]
    task: Task
    data_version: str
    notes: tuple[Note, ...] = ()
    verdicts: tuple[Verdict, ...] = ()

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def user_columns(self) -> pa.Table:
        """The columns that come from the user's own table, in its order."""
        return self.table.select([name for name in self.table.column_names if not is_reserved(name)])

    def user_column(self, name: str, setting: str, beside: Sequence[str] = ()) -> pa.ChunkedArray:
        """One of them, as a setting names it.

        Args:
            name: Of the column.
            setting: Its name, for messages.
            beside: Columns that it may name as well.

        Raises:
            InputError: There is none of that name.
        """
        if name not in (known := [*beside, *self.user_columns.column_names]):
            there = ", ".join(known) or "none, as no table gives any"
            remedy = "name one of them, or leave it empty"
            if "group" in beside:
                remedy += "; the table's column that says what belongs together is called group here"
            raise InputError(f"{setting} is {name!r}, and the images have no such column: there are {there}", remedy)
        return self.table[name]

    def frame(self) -> "pd.DataFrame":
        """The rows as pandas sees them; `with_frame` leads back."""
        frame: pd.DataFrame = self.table.to_pandas()
        return frame

    def with_frame(self, frame: "pd.DataFrame") -> "Manifest":
        """The same manifest with other rows."""
        kinds = {field.name: field.type for field in self.user_columns.schema}
        columns = {name: frame[name].tolist() for name in frame.columns}
        return replace(self, table=make_table(columns, kinds).select(list(columns)))

    def where(self, split: str) -> "Manifest":
        """The rows of one split."""
        return replace(self, table=self.table.filter(pc.equal(self.table["split"], split)))

    def learnt_from(self) -> "Manifest":
        """The rows of which a training reads the images: of train and validation, and all copies; the same for every fold and weight."""
        is_split = pc.is_in(self.table["split"], pa.array(["train", "validation", WEIGHTLESS]))
        return replace(self, table=self.table.filter(pc.or_(is_split, pa.array(self.is_copy, pa.bool_()))))

    def column(self, name: str) -> list[Any]:
        """One column as a list of Python values."""
        return list(self.table[name].to_pylist())

    @property
    def label_column(self) -> str:
        """The name of the column of labels: `labels`, of which each row has several or none, or `label`."""
        return "labels" if self.task == "multilabel" else "label"

    def label_lists(self) -> list[list[str]]:
        """What each row shows, as lists, which hold one label unless the task is multi-label."""
        given = self.column(self.label_column)
        return given if self.task == "multilabel" else [[label] for label in given]

    def label_sets(self) -> list[frozenset[str]]:
        """The same as sets; rows of one label share theirs: a million sets take a second, and more of whoever looks for garbage."""
        if self.task == "multilabel":
            return [frozenset(labels) for labels in self.column("labels")]
        known = {label: frozenset([label]) for label in pc.unique(self.table["label"]).to_pylist()}
        return [known[label] for label in self.column("label")]

    @property
    def is_copy(self) -> list[bool]:
        """Whether each row is a copy that `augment` made."""
        if "source_id" not in self.table.column_names:
            return [False] * len(self)
        return [source is not None for source in self.column("source_id")]

    def targets(self) -> npt.NDArray[np.int64]:
        """The labels as numbers: `(N,) int64` class indices, or `(N, K) int64` of 0 and 1 for multi-label."""
        index = {name: number for number, name in enumerate(self.classes)}
        if self.task != "multilabel":
            return np.array([index[label] for label in self.column("label")], dtype=np.int64)
        y_true = np.zeros((len(self), len(self.classes)), dtype=np.int64)
        for row, labels in enumerate(self.column("labels")):
            y_true[row, [index[label] for label in labels]] = 1
        return y_true

    def write(self, path: Path) -> None:
        """Writes the manifest; equal manifests make equal bytes."""
        meaning: dict[str, Any] = {
            "classes": self.classes,
            "task": self.task,
            "data_version": self.data_version,
            noun.KEY: noun.plain(self.notes),
        }
        meaning |= {_VERDICTS: [asdict(verdict) for verdict in self.verdicts]} if self.verdicts else {}
        metadata = {_KEY: json.dumps(_FORMAT.stamp(meaning), ensure_ascii=False).encode()}
        with whole(path) as draft:
            pq.write_table(self.table.replace_schema_metadata(metadata), draft, compression="zstd")


def is_reserved(name: str) -> bool:
    """Whether the product writes a column of this name, here or in the predictions: a column of the user's can't have it."""
    return name in RESERVED or name.startswith(PROBABILITY)


def make_table(columns: Mapping[str, Sequence[Any]], user_types: Mapping[str, pa.DataType] | None = None) -> pa.Table:
    """Makes a manifest's table: known columns in their order and types, then the user's own; NaN and NaT as null.

    Args:
        columns: Values by column name; every column as long as the others.
        user_types: Types of the user's own columns by name.
    """
    types = {**COLUMNS, **(user_types or {})}
    unknown = sorted(set(columns) - set(types))
    if unknown:
        raise ValueError(f"no column of a manifest: {', '.join(unknown)}")
    return pa.table({name: pa.array(columns[name], kind, from_pandas=True) for name, kind in types.items() if name in columns})


def quoted(labels: Iterable[str]) -> str:
    """Labels as messages name them."""
    return ", ".join(map(repr, labels)) or "nothing"


def put_column(table: pa.Table, name: str, values: Sequence[Any]) -> pa.Table:
    """The table with one of the columns in `COLUMNS` replaced, or added behind the others; the user's own keep their types."""
    column = pa.array(values, COLUMNS[name], from_pandas=True)
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, column)
    return table.append_column(name, column)


def read(path: Path) -> Manifest:
    """Reads a manifest.

    Raises:
        InputError: A later version of Darkroom wrote the file.
        ValueError: The file has no class order, or a known column of another type: something other than this module wrote it.
    """
    table = pq.read_table(path)
    metadata = table.schema.metadata or {}
    if _KEY not in metadata:
        raise ValueError(f"{path} has lost its class order, task and data version: only darkroom.manifest may write manifests")
    values = _FORMAT.upgrade(json.loads(metadata[_KEY]), path)
    classes, task, data_version = _meaning(values)
    own = {field.name: f"user_{field.name}" for field in table.schema if field.name in _LATER and field.type != COLUMNS[field.name]}
    table = table.rename_columns([own.get(name, name) for name in table.column_names])
    odd = [field for field in table.schema if field.type != COLUMNS.get(field.name, field.type)]
    if odd:
        raise ValueError(f"{path} has a column {odd[0].name!r} of type {odd[0].type}: only darkroom.manifest may write manifests")
    verdicts = tuple(record_from(Verdict, row) for row in values.get(_VERDICTS, ()))
    return Manifest(table.replace_schema_metadata(None), classes, task, data_version, noun.from_plain(values.get(noun.KEY)), verdicts)


def read_notes(path: Path) -> tuple[Note, ...]:
    """The notes in a manifest, without its rows; none where the file is no manifest."""
    try:
        metadata = pq.read_schema(path).metadata or {}
        return noun.from_plain(json.loads(metadata.get(_KEY, b"{}")).get(noun.KEY))
    except (pa.ArrowException, OSError):
        return ()


def _meaning(values: Mapping[str, Any]) -> tuple[tuple[str, ...], Task, str]:
    """Class order, task and data version, of the kinds that they should be."""
    classes, task, data_version = (values.get(name) for name in ("classes", "task", "data_version"))
    names = [*classes, data_version] if isinstance(classes, list) else [None]
    if task not in TASKS or not all(isinstance(name, str) for name in names):
        raise ValueError("its class order, task and data version are not what darkroom.manifest writes")
    return tuple(classes or ()), task, str(data_version)
