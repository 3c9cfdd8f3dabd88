"""WebDataset's tars: an image and what is known of it are members of one name, `0001.jpg`, `0001.cls`, `0001.json`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any

from components.ingest.annotations import PATH, Image, make_annotations
from components.ingest.archives import TarSource, open_tar
from components.ingest.column_names import GROUPS, known, may_be_group
from components.ingest.listing import has_image_suffix, is_picture_name
from components.ingest.shards import Shards
from components.ingest.sources import FolderSource, Source
from darkroom.system.errors import InputError

CLASS = "label"  # the column of what `.cls` holds
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


class WebDataset(Shards):
    """Images in tars of a folder, or in the one tar that is the source.

    Args:
        inner: The folder, or the tar itself.
        shards: The tars by their path in the folder; of one tar itself its own name.
        max_bytes: See `Shards`.
    """

    KIND = "tar(s) of WebDataset's layout"

    def __init__(self, inner: Source, shards: Mapping[str, TarSource], max_bytes: int) -> None:
        self._tars = shards
        members = {shard: [f"{shard}/{path}" for path in tar.sizes if is_picture_name(path)] for shard, tar in shards.items()}
        by_class = any(path.endswith(".cls") for tar in shards.values() for path in tar.sizes)
        described = {shard: list(_described(shard, tar, by_class)) for shard, tar in shards.items()}
        _tie_samples(described)
        said = make_annotations([image for images in described.values() for image in images])
        beside: dict[str, int] | None = {} if inner in shards.values() else None  # what is in the one tar is read
        super().__init__(inner, members, said.values.drop_columns([PATH]), max_bytes, said.notes, beside)

    def _read_shard(self, shard: str, wanted: AbstractSet[str]) -> Iterator[tuple[str, bytes]]:
        paths = [path.removeprefix(f"{shard}/") for path in wanted]
        yield from ((f"{shard}/{file.path}", file.data) for file in self._tars[shard].read(paths))


def open_webdataset(source: Source, max_bytes: int) -> WebDataset | None:
    """Opens a tar, or a folder of tars, in WebDataset's layout; nothing where it is no such.

    Raises:
        InputError: A tar is damaged or hostile, or is of another layout than the first.
    """
    if isinstance(source, TarSource):
        return WebDataset(source, {source.file.name: source}, max_bytes) if _is_webdataset(source) else None
    tars = [path for path in source.sizes if path.lower().endswith(_TARS)]
    if not tars or any(map(has_image_suffix, source.sizes)) or not isinstance(source, FolderSource):
        return None
    opened: dict[str, TarSource] = {}
    for path in tars:
        opened[path] = open_tar(source.places[path], max_bytes)
        if not _is_webdataset(opened[path]):
            if len(opened) == 1:
                return None
            raise InputError(f"{path} in {source.name} has no labels beside its images, as {tars[0]} has: pack it so, or take it out")
    return WebDataset(source, opened, max_bytes)


def _is_webdataset(tar: TarSource) -> bool:
    """Whether most images have a class beside them, or, where they are in no class folders, a JSON."""
    images = [path for path in tar.sizes if is_picture_name(path)]
    with_class = sum(f"{_key(path)}.cls" in tar.sizes for path in images)
    with_json = sum(f"{_key(path)}.json" in tar.sizes for path in images)
    folders = {path.rpartition("/")[0] for path in images}
    return bool(images) and 2 * max(with_class, with_json if len(folders) == 1 else 0) > len(images)


def _key(path: str) -> str:
    """What the members of one sample have in common: the path up to the first dot of the name."""
    folder, slash, name = path.rpartition("/")
    return folder + slash + name.partition(".")[0]


def _described(shard: str, tar: TarSource, by_class: bool) -> Iterator[Image]:
    """The images of a tar, with their class and what their JSON says.

    Args:
        shard: The tar's path in the source.
        tar: The tar.
        by_class: Whether a `.cls` says the class anywhere in the source: then a JSON says it nowhere.
    """
    paths = [path for path in tar.sizes if is_picture_name(path)]
    keys = {_key(path) for path in paths}
    beside = [path for path in tar.sizes if path.endswith((".cls", ".json")) and _key(path) in keys]
    said = {file.path: file.data for file in tar.read(beside)}
    for path in paths:
        labels, facts = {}, _facts(f"{shard}/{_key(path)}.json", said.get(f"{_key(path)}.json", b"{}"))
        for name in [name for name, cell in facts.items() if _is_list_of_texts(cell)]:
            labels[name] = facts.pop(name)
        if by_class:
            facts[CLASS] = said.get(f"{_key(path)}.cls", b"").decode("utf-8", "replace").strip()
            labels.pop(CLASS, None)
        yield Image(path, labels, {name: cell for name, cell in facts.items() if name != PATH})


def _tie_samples(described: Mapping[str, Sequence[Image]]) -> None:
    """Makes a sample its images' group where one has several, such as `1.left.jpg` and `1.right.jpg`, and nothing else says a group.

    Args:
        described: The images of each tar by its path; their facts get the group.
    """
    samples = [(f"{shard}/{_key(image.path)}", image) for shard, images in described.items() for image in images]
    has_group = any(known([name], GROUPS) or may_be_group(name) for _, image in samples for name in image.facts)
    if not has_group and len({sample for sample, _ in samples}) < len(samples):
        for sample, image in samples:
            image.facts[GROUPS[0]] = sample


def _facts(name: str, data: bytes) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        facts = json.loads(data)
        if isinstance(facts, dict):
            return facts
    raise InputError(f"{name} is no JSON object: pack it again")


def _is_list_of_texts(cell: Any) -> bool:
    return isinstance(cell, list) and all(isinstance(item, str) for item in cell)
