"""Files of a source that are kept, by an earlier run or by tasks that do a part each: they are neither fetched nor read again."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from components.ingest.listing import has_image_suffix
from components.ingest.recognition import recognize
from components.ingest.sources import FolderSource, Source
from darkroom.data_files import is_table
from darkroom.file_formats import can_be_decoded
from darkroom.file_store import FileStore, KeptFile
from darkroom.junk import is_junk
from darkroom.part import Part
from darkroom.versions.addresses import fetched, is_address


class KeptFiles:
    """What the store knows of the files of a source.

    Args:
        store: The store.
        max_bytes: A larger file counts as not kept.
        fetch_all: Whether files of an address are fetched also where they are kept, as after damage.

    Attributes:
        store: The store.
        sizes: Bytes by path of the files of an address that `choose` has left out.
    """

    def __init__(self, store: FileStore, max_bytes: int, *, fetch_all: bool = False) -> None:
        self.store, self._max_bytes, self._fetch_all = store, max_bytes, fetch_all
        self.sizes: dict[str, int] = {}
        self._stamps: dict[str, str] = {}

    def choose(self, files: Mapping[str, str]) -> list[str]:
        """The files of an address that must be fetched, see `darkroom.versions.fetch_choice`.

        A file that is no data, or the address itself, is fetched also where its content is kept under another path: what reads the
        folder leaves the first out, and needs the second.
        """
        self._stamps = {
            path: self.store.stamp_of(identity, "".join(PurePosixPath(path.lower()).suffixes[-2:])) for path, identity in files.items()
        }
        if not self._fetch_all:
            data = (path for path in files if path and not is_junk(path))
            known = {path: found for path in data if (found := self.store.find(self._stamps[path]))}
            sizes = {path: self.store.size_of(name) for path, (name, info) in known.items() if can_be_decoded(info.format)}
            self.sizes = {path: size for path, size in sizes.items() if size <= self._max_bytes}
        return [path for path in files if path not in self.sizes]

    def stamps(self, source: Source, paths: Collection[str]) -> dict[str, str]:
        """What tells the content of files, by path; an empty text or nothing where nothing does.

        Args:
            source: The files; those of an archive have no stamp.
            paths: Of those that matter.
        """
        places = getattr(source, "places", None)
        if places is None:
            return {}
        small = [path for path in paths if source.sizes[path] <= self._max_bytes]
        return {path: self._stamps.get(path, "") if self._stamps else self.store.stamp(places[path]) for path in small}


def keep_part(data: Path, data_version: str, part: Part, store: FileStore, max_bytes: int) -> int:
    """Fetches and reads a part of the images of a folder, as their names say what they are, and keeps them in the store.

    An archive, a data set of torchvision's, and shards with many images each are left to the `ingest` of all: they are read as a whole.

    Args:
        data: The source, see `components.ingest.ingest`.
        data_version: Its version, or empty.
        part: Which part of the images, in the order of their paths.
        store: Where they are kept.
        max_bytes: Larger files are not kept.

    Returns:
        How many images the part has; those count as well that were kept before, or that turn out to be none.
    """
    kept, chosen = KeptFiles(store, max_bytes), list[str]()

    def pictures(paths: Collection[str]) -> Sequence[str]:
        return part.of(sorted(path for path in paths if has_image_suffix(path)))

    def choose(files: Mapping[str, str]) -> list[str]:
        chosen.extend(pictures(files))
        return sorted({*chosen}.intersection(kept.choose(files)))

    with fetched(data, data_version, choose) as place:
        if not (place.is_dir() or (place.exists() and is_table(place))):
            print(f"{data} is not divided: the ingest after the parts reads it as a whole", flush=True)
            return 0
        source = FolderSource(place, max_bytes, kept.sizes)
        mine = [path for path in (chosen if is_address(data) else pictures(source.sizes)) if path in source.sizes]
        stamps = kept.stamps(source, mine)
        new = [path for path in mine if (stamp := stamps.get(path)) and not store.find(stamp)]
        num_new = store.keep(_recognized(source, new, stamps)) if new else 0
    num_known = sum(store.find(stamps.get(path, "")) is not None for path in mine)
    print(f"part {part}: kept {num_new:,} of {len(mine):,} images now, {num_known:,} were kept already", flush=True)
    return len(mine)


def _recognized(source: Source, paths: Sequence[str], stamps: Mapping[str, str]) -> Iterator[KeptFile]:
    """The files that are images."""
    for file in source.read(paths):
        found = recognize(file, named=False)
        if found and found.info and found.packed and not found.undecoded:
            yield KeptFile(stamps[file.path], file.data, found.info)
