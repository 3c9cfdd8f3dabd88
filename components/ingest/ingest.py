"""Ingest: packs labelled images from any source into `images`, and describes them in a `manifest`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from components.ingest.catalogue import list_source, open_source
from components.ingest.config import IngestConfig
from components.ingest.kept_images import KeptFiles, keep_part
from components.ingest.label_spelling import doubts
from components.ingest.listing import Listed, Listing, first_few, sort_labels
from components.ingest.masks import mask_notes
from components.ingest.reading_notes import reading_notes
from components.ingest.recognition import Recognized, recognize, undecoded_notes
from components.ingest.sources import File, NotFetchedError, Source, without_ignored
from components.ingest.verdict_file import VerdictFile, read_verdicts, with_labelled, without_label
from darkroom.dicom import patient
from darkroom.file_formats import FileFormat, can_be_decoded
from darkroom.file_store import FileStore
from darkroom.images import ImageWriter
from darkroom.manifest import Manifest, make_table
from darkroom.notes import tell
from darkroom.part import read_part, refuse_without_store
from darkroom.picture_info import PictureInfo
from darkroom.spelling import folded
from darkroom.system.errors import InputError
from darkroom.system.files import whole
from darkroom.task import Task
from darkroom.verdicts import Verdict, read_at
from darkroom.versions.addresses import fetched

MEASURES = (
    "num_files", "num_images", "num_classes", "num_ignored", "num_unlabelled", "num_missing", "num_too_large", "num_undecoded", "megabytes"
)  # fmt: skip
FROM_HEADER = {  # columns of the manifest
    "width": "width",
    "height": "height",
    "image_mode": "mode",
    "image_format": "format",
    "exif_orientation": "orientation",
    "exif_taken_at": "taken_at",
    "exif_camera": "camera",
}


class Packed(NamedTuple):
    """A delivered file with its row in the manifest; without `image_id` if its bytes are not packed."""

    file: Listed
    image_id: str | None
    info: PictureInfo | None
    undecoded: FileFormat | None
    num_bytes: int


def ingest(
    data: Path | None,
    images: Path,
    manifest: Path,
    *,
    config: IngestConfig,
    data_version: str = "",
    verdicts: Path | None = None,
    verdicts_version: str = "",
    store: Path | None = None,
    part: str = "",
) -> dict[str, float]:
    """Packs images from any source: labelled ones, or with `config.unlabelled` all that there are.

    One of several tasks that share a store fetches and reads a part of the images of a folder for it, and writes empty artifacts.

    Args:
        data: A folder of class folders (also in `train/`, `val/`, `validation/`, `valid/`, `test/` folders), a folder with a
            table of labels (CSV, TSV, Parquet, JSON, exports of annotation programs), the table itself, or a zip or tar of
            either; Parquet files or WebDataset's tars that hold the images; or an address of one of them in a DVC
            repository, see `darkroom.versions.repository`.
            Without one, as where there is no frozen evaluation set, what is written is empty.
        images: Where the packed images are written.
        manifest: Where the table is written, a row a delivered file, sorted by path.
        config: How the source is read.
        data_version: Hash of the data, kept in the manifest.
        verdicts: A file with people's verdicts beside those in the data's root: an image without a label has the one that is given there.
        verdicts_version: Version of that file, later lines of which do not count; empty: as it is now.
        store: A folder in which is kept what files of folders are, so that a later run fetches and reads only what is new or changed.
        part: Which part of the images, in the order of their paths, is kept in the store, such as `2/4`; empty: all, and written.

    Returns:
        Numbers of delivered files, distinct images, classes, ignored files, rows of a table without a label, rows without a
        file, files above the size limit, and files of a format that is not decoded, in all and by format
        (`num_undecoded_heic`), which `clean` drops; and the packed megabytes (2^20 bytes).

    Raises:
        InputError: The source does not exist, is damaged or hostile, holds no image or fewer than two classes, or its
            table contradicts itself; a verdict is wrong; or a part is to be kept without a store.
    """
    if data is None:
        return _write_nothing(images, manifest)
    refuse_without_store(part, store)
    known, max_bytes = FileStore(store), int(config.max_file_mb * 2**20)
    if part:
        num_files = keep_part(data, data_version, read_part(part), known, max_bytes)
        return _write_nothing(images, manifest) | {"num_files": float(num_files)}

    given = read_at(verdicts, verdicts_version) if verdicts else []

    def pack(kept: KeptFiles) -> dict[str, float]:
        with fetched(data, data_version, kept.choose) as path:
            return _ingest(path, images, manifest, config, data_version, kept, given)

    try:
        return pack(KeptFiles(known, max_bytes))
    except NotFetchedError:  # what is kept of a file is damaged
        return pack(KeptFiles(known, max_bytes, fetch_all=True))


def _ingest(
    data: Path, images: Path, manifest: Path, config: IngestConfig, data_version: str, kept: KeptFiles, given: Sequence[Verdict]
) -> dict[str, float]:
    source, table = open_source(data, int(config.max_file_mb * 2**20), kept.sizes)
    if config.unlabelled:
        listing, judged = _list_unlabelled(source, config), VerdictFile()
    else:
        listing = list_source(source, table, config, config.task)
        judged = read_verdicts(source, config)
        listing = with_labelled(source, listing, without_label(source, listing, config, table), [*judged.verdicts, *given], kept)
    with whole(manifest) as manifest_draft, whole(images) as images_draft:
        rows, num_bytes, num_read = _pack(source, listing, images_draft, kept)
        rows, patients = _without_sole_patient(listing, rows)
        _refuse_nothing(data, rows)
        result = _manifest(data, listing, rows, config, data_version)
        measures = _measures(source, listing, rows, result) | {"megabytes": num_bytes / 2**20}
        measures["num_ignored"] -= judged.is_read
        said, warnings = _describe(listing, rows, result, measures)
        notes = tell("ingest", [*said, *patients, *judged.notes], [*warnings, *judged.warnings])
        result = replace(result, notes=notes, verdicts=judged.verdicts)
        result.write(manifest_draft)
    kept.store.write(images)
    if num_read < len(listing.files):
        print(f"read {num_read:,} of {len(listing.files):,} files: the others have not changed since they were kept", flush=True)
    return measures


def _list_unlabelled(source: Source, config: IngestConfig) -> Listing:
    """All files that are not to be ignored: which of them are images, their content says."""
    remaining, notes = without_ignored(source, config.ignore)
    files = [Listed(path, ()) for path in sorted(remaining.sizes)]
    return Listing(files, num_ignored=len(source.sizes) - len(files), notes=notes)


def _refuse_nothing(data: Path, rows: list[Packed]) -> None:
    if not rows:
        raise InputError(f"{data} holds no image that could be used: put each class's images into a folder named after the class")
    if not any(row.num_bytes for row in rows):
        raise InputError(f"{data} holds no image that could be used: all {len(rows):,} files are empty: copy or fetch them again")
    undecoded = _undecoded(rows)
    if len(undecoded) == len(rows):
        raise InputError(f"{data} holds no image that can be decoded: {'; '.join(undecoded_notes(undecoded))}")


def _undecoded(rows: list[Packed]) -> list[tuple[str, FileFormat]]:
    return [(row.file.path, row.undecoded) for row in rows if row.undecoded]


def _measures(source: Source, listing: Listing, rows: list[Packed], result: Manifest) -> dict[str, float]:
    undecoded = _undecoded(rows)
    counts = {
        "num_files": len(rows),
        "num_images": len({row.image_id for row in rows} - {None}),
        "num_classes": len(result.classes),
        "num_ignored": source.num_junk + listing.num_ignored + len(listing.files) - len(rows),
        "num_unlabelled": len(listing.unlabelled),
        "num_missing": listing.num_missing,
        "num_too_large": sum(row.image_id is None and row.undecoded is None for row in rows),
        "num_undecoded": len(undecoded),
        **Counter(f"num_undecoded_{found.slug}" for _, found in undecoded),
    }
    return {name: float(count) for name, count in counts.items()}


def _write_nothing(images: Path, manifest: Path) -> dict[str, float]:
    """Writes no image and a manifest without a row."""
    with whole(manifest) as manifest_draft, whole(images) as images_draft:
        with ImageWriter(images_draft):
            pass
        columns = ("path", "image_id", "label", "width", "height", "group", "given_split")
        Manifest(make_table({name: [] for name in columns}), (), "multiclass", "").write(manifest_draft)
    return dict.fromkeys(MEASURES, 0.0)


def _pack(source: Source, listing: Listing, images: Path, kept: KeptFiles) -> tuple[list[Packed], int, int]:
    """Packs every file that is an image or is named as one.

    Returns:
        The rows, sorted by path, the packed bytes, and the number of files that were read.
    """
    listed = {file.path: file for file in listing.files}
    rows: list[Packed] = []
    seen: dict[str, int] = {}
    stamps = kept.stamps(source, listed)
    num_read = 0
    with ImageWriter(images) as writer:
        for file, found in _look(source, list(listed), stamps, kept.store, listing.named):
            num_read += found is None or not found.image_id
            if found:
                name = writer.add(file.data, found.image_id) if found.packed else None
                num_bytes = len(file.data) if file.whole else source.sizes[file.path]
                row = Packed(listed[file.path], name, found.info, found.undecoded, num_bytes)
                rows.append(_with_patient(row, file.data) if row.info and row.info.format == "DICOM" else row)
                seen[name or ""] = num_bytes if name else 0
                if name and found.info and not found.image_id and not found.undecoded:
                    kept.store.add(stamps.get(file.path, ""), name, found.info)
    return sorted(rows, key=lambda row: row.file.path), sum(seen.values()), num_read


def _look(
    source: Source, paths: list[str], stamps: dict[str, str], known: FileStore, named: bool
) -> Iterator[tuple[File, Recognized | None]]:
    """The files and what they are; a folder's, in their order, without reading those that are kept as they are."""
    found = {path: pair for path in paths if (pair := known.find(stamps.get(path, ""))) and can_be_decoded(pair[1].format)}
    new = source.read([path for path in paths if path not in found])
    if not found:
        yield from ((file, recognize(file, named=named)) for file in new)
        return
    for path in paths:
        data = known.bytes_of(found[path][0]) if path in found else None
        if data is not None:
            yield File(path, data), Recognized(found[path][1], None, packed=True, image_id=found[path][0])
        else:
            file = next(iter(source.read([path]))) if path in found else next(new)
            yield file, recognize(file, named=named)


def _with_patient(row: Packed, data: bytes) -> Packed:
    """The row of a DICOM file with its patient as the group, unless the source gives one."""
    found = patient(data) if row.file.group is None else None
    return row._replace(file=row.file._replace(group=found)) if found else row


def _without_sole_patient(listing: Listing, rows: list[Packed]) -> tuple[list[Packed], list[str]]:
    """The rows without the patients' ids if all files have the same, as where somebody has removed the names; and a sentence about them."""
    given = {file.path: file.group for file in listing.files}
    found = {row.file.group for row in rows if row.file.group != given[row.file.path]}
    if not found:
        return rows, []
    if len(found) > 1:
        return rows, [f"the patients' ids in DICOM files are their groups: {len(found):,} patients stay together"]
    kept = [row._replace(file=row.file._replace(group=given[row.file.path])) for row in rows]
    return kept, [
        "all DICOM files have the same patient's id, which is not taken for a group: name a table's column in ingest.group_column"
    ]


def _manifest(data: Path, listing: Listing, rows: list[Packed], config: IngestConfig, data_version: str) -> Manifest:
    occurring = {label for row in rows if not row.undecoded for label in row.file.labels}
    classes = listing.classes or sort_labels(occurring)
    task = _task(listing, classes, config)
    if len(classes) < 2 and not config.unlabelled:
        known = f"only one class, {classes[0]!r}" if classes else "no class"
        wrapped = len(classes) == 1 and not listing.named and all(row.file.path.count("/") > 1 for row in rows)
        place = f"name {data}/{classes[0]}" if data.is_dir() else "pack what is in it, or unpack it and name that folder"
        hint = f"; if the folders in {classes[0]}/ are the classes, {place}" if wrapped and data.exists() else ""
        raise InputError(
            f"{data} holds {known}: at least two classes are needed (one folder a class below the root, or a table of labels){hint}"
        )
    columns: dict[str, list[object]] = {
        "path": [row.file.path for row in rows],
        "image_id": [row.image_id for row in rows],
        "image_bytes": [row.num_bytes for row in rows],
        **{name: [getattr(row.info, part, None) for row in rows] for name, part in FROM_HEADER.items()},
        "group": [row.file.group for row in rows],
        "given_split": [row.file.given_split for row in rows],
    }
    if task == "multilabel":
        order = {name: number for number, name in enumerate(classes)}
        columns["labels"] = [sorted(row.file.labels, key=order.__getitem__) for row in rows]
    else:
        columns["label"] = [row.file.labels[0] if row.file.labels else None for row in rows]
    table = make_table(columns)
    if listing.user_columns is not None:
        numbers = {file.path: number for number, file in enumerate(listing.files)}
        own = listing.user_columns.take([numbers[row.file.path] for row in rows])
        for field, values in zip(own.schema, own.columns, strict=True):
            table = table.append_column(field, values)
    return Manifest(table.combine_chunks(), _positive_last(classes, task, config), task, data_version)


def _lost_classes(listing: Listing, rows: list[Packed], result: Manifest) -> list[str]:
    lost = sort_labels({label for row in rows for label in row.file.labels} - set(result.classes))
    return (
        [f"no file of {', '.join(map(repr, lost))} can be decoded: no class of that name is learnt"] if lost and not listing.classes else []
    )


def _task(listing: Listing, classes: tuple[str, ...], config: IngestConfig) -> Task:
    if listing.multilabel and config.task in ("binary", "multiclass"):
        raise InputError(f"ingest.task is {config.task}, but files have several labels or none: set it to multilabel or auto")
    if config.task == "binary" and len(classes) != 2:
        raise InputError(f"ingest.task is binary, but there are {len(classes)} classes ({first_few(list(classes))}): set it to auto")
    if config.task != "auto":
        return config.task
    if listing.multilabel:
        return "multilabel"
    return "binary" if len(classes) == 2 else "multiclass"


def _positive_last(classes: tuple[str, ...], task: Task, config: IngestConfig) -> tuple[str, ...]:
    wanted = config.positive_class
    if not wanted:
        return classes
    positive = folded(wanted) if config.labels == "fold" else wanted
    if task != "binary":
        raise InputError(f"ingest.positive_class is {wanted!r}, but the task is {task}: leave it empty")
    if positive not in classes:
        raise InputError(f"ingest.positive_class is {wanted!r}: it must be one of {', '.join(classes)}")
    return (*(name for name in classes if name != positive), positive)


def _describe(listing: Listing, rows: list[Packed], result: Manifest, measures: dict[str, float]) -> tuple[list[str], list[str]]:
    """What is said of how the source was read, and what may be wrong with it."""
    lost = [*undecoded_notes(_undecoded(rows)), *_lost_classes(listing, rows, result), *mask_notes(listing)]
    kinds = f"{len(result.classes)} classes, {result.task}" if result.classes else "no labels"
    counts = (
        f"{len(result):,} files, {measures['num_images']:,.0f} images, {kinds}, "
        f"{measures['num_ignored']:,.0f} ignored, {measures['megabytes']:,.1f} MB"
    )
    pictures = {row.file.path for row in rows if row.image_id and not row.undecoded}
    read = reading_notes(listing, pictures) if result.classes else listing.notes
    return [*read, counts], [*lost, *doubts(label for file in listing.files for label in file.labels)]
