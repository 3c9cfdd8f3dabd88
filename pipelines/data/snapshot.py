"""A snapshot: the images of one data version with their labels and splits, wherever these are found; nothing is checked out."""

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from components.clean.people import CHECK as VERDICT
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom import issues, manifest
from darkroom.images import Images
from darkroom.manifest import Manifest
from darkroom.registry.fetch import ISSUES_KEPT, SPLITS_KEPT
from darkroom.system.errors import InputError
from darkroom.system.files import read_json
from darkroom.tracking.tags import DVC_MD5
from darkroom.verdicts import DROP, RELABEL, Verdict, latest
from darkroom.versions.addresses import is_address
from darkroom.versions.data_version import data_version, has_version
from darkroom.versions.dvc_cache import linked
from pipelines import history
from pipelines.history import Record
from pipelines.params import known_settings
from pipelines.paths import ROOT, USED
from pipelines.step_cache import CACHE, entry_folders

_READ = frozenset({"path", "image_id", "label", "labels", "width", "height", "group", "given_split", "cluster", "pixel_hash", "split"})


@dataclass(frozen=True)
class DataImage:
    """An image of a data version.

    Attributes:
        path: Its file; of several with this content the first.
        labels: Its labels as delivered, of all of its files, or by a person's verdict that was delivered with them; sorted, of several
            labels perhaps none; None where they are not known. An image that a person dropped is none of the data.
        settled: Its labels in the run that split it, where one did and kept it.
        split: Its split there; or the one that the source gives; else empty.
        size_px: Width and height; none where they can't be read.
        ties: The group, cluster and hash of pixels by which it belongs to others.
    """

    path: str
    labels: tuple[str, ...] | None
    settled: tuple[str, ...] | None
    split: str
    size_px: tuple[int, int] | None
    ties: tuple[str | None, ...]


@dataclass(frozen=True)
class Snapshot:
    """The images of one data version.

    Attributes:
        name: How the user named it.
        version: The data version.
        images: By their ids.
        packed: Folders of packed images; empty where their bytes are not to be had.
        run_id: The run that split them; empty where none did.
        notes: How it was read, and what is not known.
    """

    name: str
    version: str
    images: Mapping[str, DataImage]
    packed: tuple[Path, ...]
    run_id: str = ""
    notes: tuple[str, ...] = ()

    def num_by_class(self, *, settled: bool) -> dict[str, int]:
        """Images of each class, in the order of their names; one of several labels counts for each.

        Args:
            settled: Whether the labels in the run that split them count, where there is one; else those as delivered.
        """
        labels = [labels_of(image) if settled or image.labels is None else image.labels for image in self.images.values()]
        return dict(sorted(Counter(label for one in labels for label in one).items()))

    def files(self) -> Images:
        """Their bytes, as far as they are to be had."""
        return Images(*self.packed)


def labels_of(image: DataImage) -> tuple[str, ...]:
    """The labels that count: those in the run that split it, else as delivered."""
    return (image.labels or ()) if image.settled is None else image.settled


@dataclass
class Reader:
    """Reads snapshots; what is laid out for them lasts as long as `stack`.

    Attributes:
        ingest: Settings of `ingest` for data that no run has read.
        scratch: A folder for what is packed.
        stack: Ends with what is laid out.
        runs: All runs, newest first.
    """

    ingest: Mapping[str, Any]
    scratch: Path
    stack: ExitStack
    runs: list[Record] = field(default_factory=list)

    def of_source(self, name: str, source: Path) -> Snapshot:
        """A folder, a table, an archive, or an address in a DVC repository, as it is now.

        Raises:
            InputError: It can't be read.
        """
        version = data_version(source)
        packed = self._packed_by_a_run(version) or self._pack(source, version, self.ingest)
        return self._snapshot(name, version, packed, "" if is_address(source) else f"{name} as it is now")

    def of_run(self, name: str, run: Record) -> Snapshot:
        """The data of a run."""
        return self._snapshot(name, run.data_version, self._find(run.data_version, run), f"run {run.run_id[:8]}", run)

    def of_version(self, name: str, version: str, what: str) -> Snapshot:
        """A data version.

        Raises:
            InputError: Neither a run nor DVC has it.
        """
        run = next((run for run in self.runs if version in (run.data_version, run.tags.get(DVC_MD5))), None)
        packed = self._find(version, run)
        if packed is None and run is None:
            raise InputError(
                f"{name} is data version {version[:12]}, which no run has read, and which DVC holds neither in its cache nor in its remote",
                "`dvc push` it where it was made, or name a folder with it",
            )
        return self._snapshot(name, run.data_version if run else version, packed, what, run)

    def _find(self, version: str, run: Record | None) -> tuple[Path, Path] | None:
        """A manifest and packed images of a data version: those of a run on this machine, else packed now from DVC or the source."""
        if run and (found := _outputs(run.run_id)):
            return found
        if found := self._packed_by_a_run(run.data_version if run else version):
            return found
        settings = known_settings(history.settings(run))[0].get("ingest", {}) if run else self.ingest
        name = Path(run.source).name if run and run.source else "data"
        place = self.stack.enter_context(linked(run.tags.get(DVC_MD5, version) if run else version, name, pull=True))
        source = Path(run.source) if run and run.source else None
        if place is None and source and (is_address(source) or source.exists()) and has_version(source, version):
            place = source
        return self._pack(place, version, settings) if place else None

    def _packed_by_a_run(self, version: str) -> tuple[Path, Path] | None:
        for run in self.runs:
            if run.data_version == version and (found := _outputs(run.run_id)):
                return found
        return None

    def _pack(self, source: Path, version: str, settings: Mapping[str, Any]) -> tuple[Path, Path]:
        folder = self.scratch / f"{len(list(self.scratch.iterdir()))}"
        folder.mkdir()
        ingest(source, folder / "images", folder / "manifest", config=IngestConfig(**settings), data_version=version)
        return folder / "manifest", folder / "images"

    def _snapshot(self, name: str, version: str, packed: tuple[Path, Path] | None, what: str, run: Record | None = None) -> Snapshot:
        """Joins what was delivered with the splits of a run: the one that is meant, else the newest on this version that kept them."""
        candidates = [run] if run else [other for other in self.runs if other.data_version == version]
        splits, owner, found = None, "", dict[str, DataImage]()
        for candidate in candidates:
            if splits := self._kept(candidate, SPLITS_KEPT):
                owner = candidate.run_id
                break
        dropped, judged = self._dropped(next((one for one in self.runs if one.run_id == owner), run))
        if packed:
            found = {name: image for name, image in _delivered(manifest.read(packed[0])).items() if name not in judged}
        elif run:
            found = dropped
        if splits:
            found = _with_splits(found, manifest.read(splits))
        if not found:
            raise InputError(f"{name}: nothing is kept of data version {version[:12]}, neither its files nor a table of its images")
        notes = [] if packed else ["its files are not to be had any more: labels of dropped images, pictures and some vectors are missing"]
        given = any(image.split for image in found.values())
        notes += (
            [] if owner else ["no run has split it: " + ("its splits are those that the source gives" if given else "it has no splits")]
        )
        return Snapshot(name, version, found, (packed[1],) if packed else (), owner, tuple(f"{what or name}: {note}" for note in notes))

    def _kept(self, run: Record, artifact: str) -> Path | None:
        folder = self.scratch / f"kept-{run.run_id}"
        folder.mkdir(exist_ok=True)
        return history.kept(run, artifact, folder)

    def _dropped(self, run: Record | None) -> tuple[dict[str, DataImage], set[str]]:
        """The images that a run dropped, without their labels; and the ids of those that a person did."""
        path = self._kept(run, ISSUES_KEPT) if run else None
        rows = [row for row in issues.rows(path) if row["action"] == "dropped" and row["image_id"]] if path else []
        judged = {row["image_id"] for row in rows if row["check"] == VERDICT}
        found = {row["image_id"]: DataImage(row["path"], None, None, "", None, ()) for row in rows if row["image_id"] not in judged}
        return found, judged


def _outputs(run_id: str) -> tuple[Path, Path] | None:
    """The manifest and the packed images of a run, which it made or took from the cache, where they are on this machine."""
    folders = set((ROOT / run_id).glob("artifacts/*/ingest-component"))
    used = ROOT / run_id / "artifacts" / USED
    key = read_json(used).get("ingest", "") if used.is_file() else ""
    folders |= {folder for entry in CACHE.glob(f"{key}*.json") for folder in entry_folders(entry)} if key else set()
    for folder in sorted(folders):
        if (folder / "manifest").is_file():
            with suppress(InputError):  # on a volume that is not mounted
                Images(folder / "images")
                return folder / "manifest", folder / "images"
    return None


def _rows(table: Manifest) -> list[dict[str, Any]]:
    names = [name for name in table.table.column_names if name in _READ]
    rows: list[dict[str, Any]] = table.table.select(names).to_pylist()
    return [row for row in rows if row["image_id"] is not None]


def _labels(row: Mapping[str, Any]) -> tuple[str, ...]:
    if row.get("labels") is not None:
        return tuple(row["labels"])
    return () if row.get("label") is None else (row["label"],)


def _judged(verdict: Verdict, table: Manifest) -> tuple[str, ...]:
    """The labels that a person gave; as they are written where that is no class of these data."""
    try:
        return tuple(sorted(verdict.labels(table.classes, multilabel=table.task == "multilabel")))
    except InputError:
        return (verdict.label,)


def _delivered(table: Manifest) -> dict[str, DataImage]:
    found: dict[str, DataImage] = {}
    counting = latest(table.verdicts)
    judged = {name: _judged(verdict, table) for name, verdict in counting.items() if verdict.word == RELABEL}
    for row in _rows(table):
        if row["image_id"] in counting and counting[row["image_id"]].word == DROP:
            continue
        size = (row["width"], row["height"]) if row.get("width") is not None else None
        labels = judged.get(row["image_id"], tuple(sorted(_labels(row))))
        image = DataImage(row["path"], labels, None, row.get("given_split") or "", size, (row.get("group"),))
        if twin := found.get(row["image_id"]):
            image = replace(twin, labels=tuple(sorted({*labels_of(twin), *labels_of(image)})))
        found[row["image_id"]] = image
    return found


def _with_splits(found: Mapping[str, DataImage], table: Manifest) -> dict[str, DataImage]:
    joined = dict(found)
    for row in _rows(table):
        size, labels = (row["width"], row["height"]) if row.get("width") is not None else None, tuple(sorted(_labels(row)))
        image = found.get(row["image_id"]) or DataImage(row["path"], labels, None, "", size, ())
        ties = tuple(row.get(name) for name in ("group", "cluster", "pixel_hash"))
        joined[row["image_id"]] = replace(image, settled=labels, split=row.get("split") or "", ties=ties)
    return joined
