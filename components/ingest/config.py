"""The settings of `ingest`."""

from typing import Literal

from pydantic import Field, field_validator

from darkroom.system.config import StepConfig


class TableConfig(StepConfig):
    """How a table of labels is read; an empty name is found by itself."""

    table: str = Field("", description="The table of labels in the data's root; empty: found by itself; none: labels from folders.")
    ignore: tuple[str, ...] = Field(
        (), description="Files and folders of the data to leave out, as names or paths: test, Meta.csv, *.txt, a/b."
    )
    encoding: str = Field(
        "auto", description="Encoding of tables that are texts, such as cp1252 (Excel's in Western Europe); auto: UTF-8 or UTF-16."
    )
    path_column: str = Field("", description="Column of file names or paths; empty: found by itself.")
    label_column: str = Field(
        "", description="Column of labels, one or several joined; empty: found by itself; none: labels are the class folders."
    )
    label_columns: tuple[str, ...] = Field((), description="Columns of 0 and 1, one a label; empty: found by themselves.")
    group_column: str = Field(
        "", description="Column of what must stay in one split, such as patient; empty: found by itself; none: there is no such column."
    )
    split_column: str = Field(
        "", description="Column that says train, validation or test; empty: found by itself; none: there is no such column."
    )
    min_found_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="A column that is not called path or the like holds paths if this share of its cells names files.",
    )
    split_folders: Literal["auto", "splits", "classes"] = Field(
        "auto",
        description="What folders called train, test and the like are: splits (images elsewhere are left out), or classes; auto: splits "
        "where they hold class folders.",
    )
    separator: str = Field(
        "|",
        min_length=1,
        max_length=5,
        description="What joins several labels in one cell, where a cell has it; blank: a blank; none: each cell is one label.",
    )
    labels: Literal["strict", "fold"] = Field(
        "strict",
        description="Labels that differ in case or blanks only: strict: different classes, with a warning; fold: one, in small letters.",
    )
    missing_words: Literal["auto", "missing", "label"] = Field(
        "auto",
        description="nan, NA, None, - and ? in a column of labels: missing or a label; auto: nan is missing, others are refused.",
    )
    uncertain: Literal["fail", "negative", "positive", "drop"] = Field(
        "fail", description="What -1, ? and the like mean in a column of 0 and 1; drop: the row is left out."
    )
    unmarked: Literal["auto", "negative", "drop"] = Field(
        "auto", description="What an empty cell means in a column of 0 and 1; auto: 0 where the column has no 0, else it is refused."
    )
    missing_files: Literal["fail", "drop"] = Field(
        "fail", description="fail or drop: what happens where a table names files that do not exist."
    )

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str) -> str:
        try:
            "".encode("utf-8" if encoding == "auto" else encoding)
        except LookupError:
            known = "utf-8, cp1252, cp1251, gbk or shift_jis"
            raise ValueError(f"{encoding!r} is no encoding of texts: name one such as {known}, or auto") from None
        return encoding


class IngestConfig(TableConfig):
    """Packs labelled images from any source."""

    task: Literal["auto", "binary", "multiclass", "multilabel"] = Field(
        "auto", description="What is to be learnt; auto: multilabel where files have several labels, binary where there are two classes."
    )
    positive_class: str = Field("", description="The positive one of two classes; empty: the second in order.")
    unlabelled: bool = Field(
        False, description="Whether each image counts, whatever folder or table it is in, and none has a label: for pretrain.data alone."
    )
    max_file_mb: float = Field(100, gt=0, le=2000, description="Larger files are refused, in megabytes of 2^20 bytes.")
