"""What earlier runs have read of the files of folders, so that a grown folder costs only what is new or changed.

A file is known by its place, size, inode, and the times of its last change, of bytes and of inode; that of the inode can't be set back.
One at an address is known by what the store there says of its content. Kept are its `image_id` and what its header says, in shards beside
the kept vectors; its bytes are in the images that an earlier run packed, as long as these are there: then they are copied from there, and
checked by their hash. Tasks that read a part each pack it into `parts/`, where it stays for a week. A file that changed so short a time
before it was read that the clock may not tell a further change is not kept.

Copies that tasks of `augment` draw, a part each, are kept in the same way in a folder of their own, known by all that they follow from.
"""

import hashlib
import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import PIL
import pyarrow as pa

from darkroom import volume
from darkroom.images import Images, ImageWriter
from darkroom.picture_info import PictureInfo
from darkroom.system.errors import InputError
from darkroom.system.files import read_json, remove, whole, write_json
from darkroom.vector_store import read_shard, writable, write_shard
from darkroom.versions.file_md5s import SETTLED_S

KEPT_AS = f"files-1-pillow-{PIL.__version__}"  # another Pillow may read other headers; a column that changes needs a new number
COPIES = "copies-1"  # likewise, of copies
SOURCES = "sources.json"  # in a part with copies: the ids of the images that they show, by which `data forget` finds it
PACKED = "packed.json"
MAX_PACKED = 8  # folders of images that are looked into, the latest ones
PARTS = "parts"
PART_S = 7 * 86_400  # that a part stays: by then the run for which it was read has packed it, or has been given up
_INFO = pa.schema(
    [
        *((name, pa.int32()) for name in ("width", "height")),
        *((name, pa.string()) for name in ("mode", "format")),
        ("orientation", pa.int32()),
        ("taken_at", pa.timestamp("us")),
        ("camera", pa.string()),
    ]
)
SCHEMA = pa.schema([("image_id", pa.string()), ("stamp", pa.string()), *_INFO])


class KeptFile(NamedTuple):
    """A file that is an image.

    Attributes:
        stamp: What tells whether it has changed.
        data: Its bytes.
        info: What its header says.
    """

    stamp: str
    data: bytes
    info: PictureInfo


class FileStore:
    """The files that earlier runs have read, as far as their bytes are still there.

    Args:
        root: The folder of all kept vectors; without one nothing is known or kept.
        kept_as: The name of the folder in it.

    Raises:
        InputError: The folder can't be written.
    """

    def __init__(self, root: Path | None, kept_as: str = KEPT_AS) -> None:
        self._folder = root / kept_as if root else None
        self._start = time.time()
        self._known: dict[str, tuple[str, PictureInfo]] = {}
        self._new: list[tuple[str, str, PictureInfo]] = []
        self._images = Images()
        if self._folder:
            with writable(self._folder):
                (self._folder / PARTS).mkdir(parents=True, exist_ok=True)
            self._images = self._earlier_images()
            for path in sorted(self._folder.glob("*.arrow")) if len(self._images) else ():
                self._take(path)

    def stamp(self, place: str) -> str:
        """What tells whether a file is the one that was read; an empty text where it may change unseen, or nothing is kept."""
        if not self._folder or not place:
            return ""
        status = Path(place).stat()
        if max(status.st_ctime, status.st_mtime) > self._start - SETTLED_S:
            return ""
        parts = (place, status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
        return hashlib.blake2b("\0".join(map(str, parts)).encode(errors="surrogateescape"), digest_size=16).hexdigest()

    def stamp_of(self, identity: str, suffix: str = "") -> str:
        """The same for a file at an address, from what the store there says of its content; an empty text where it says nothing.

        Args:
            identity: What the store says; for a copy, all that its bytes follow from.
            suffix: Of its name: equal bytes are not the same image where it tells their format.
        """
        return hashlib.blake2b(f"address\0{identity}\0{suffix}".encode(), digest_size=16).hexdigest() if self._folder and identity else ""

    def find(self, stamp: str) -> tuple[str, PictureInfo] | None:
        """The `image_id` of a file and what its header says; none where it is not known, or its bytes are gone."""
        return self._known.get(stamp)

    def bytes_of(self, name: str) -> bytes | None:
        """The bytes of an image that was found; none where they are not what they should be."""
        data = self._images[name]
        return data if hashlib.sha256(data).hexdigest() == name else None

    def size_of(self, name: str) -> int:
        """How many bytes an image has that was found."""
        return self._images.size(name)

    def add(self, stamp: str, name: str, info: PictureInfo) -> None:
        """Keeps what a file is, unless its stamp is an empty text."""
        if stamp:
            self._new.append((stamp, name, info))

    def keep(self, files: Iterable[KeptFile], sources: Sequence[str] = ()) -> int:
        """Keeps files with their bytes, whole or not at all, so that a step which needs them later finds them here.

        Args:
            files: What is kept.
            sources: Of copies, the ids of the images that they show.

        Returns:
            How many files are kept.
        """
        number = 0
        if not self._folder:
            return number
        with whole(self._folder / PARTS / uuid.uuid4().hex) as draft, ImageWriter(draft, on_volume=False) as writer:
            for stamp, data, info in files:
                self.add(stamp, writer.add(data), info)
                number += 1
            if sources:
                write_json(draft / SOURCES, sources)
        self._write_new()
        return number

    def write(self, images: Path) -> None:
        """Writes what was added, and where its bytes are.

        Args:
            images: The packed images, at their final place.
        """
        if self._folder:
            self._write_new()
            folders = dict.fromkeys((str(volume.resolve_folder(images).absolute()), *self._packed()))
            write_json(self._folder / PACKED, list(folders)[:MAX_PACKED])

    def _write_new(self) -> None:
        if self._new and self._folder:
            stamps, names, infos = zip(*self._new, strict=True)
            columns = [pa.array(values, field.type) for field, values in zip(_INFO, zip(*infos, strict=True), strict=True)]
            write_shard(self._folder, pa.record_batch([pa.array(names), pa.array(stamps), *columns], schema=SCHEMA))
            self._new = []

    def _packed(self) -> list[str]:
        try:
            return [folder for folder in read_json(self._folder / PACKED) if Path(folder).is_dir()] if self._folder else []
        except (OSError, ValueError, TypeError):
            return []

    def _parts(self) -> list[Path]:
        """The parts that tasks have read; removes old ones, and those of which a killed task has left a draft."""
        found = []
        for folder in sorted((self._folder / PARTS).iterdir()) if self._folder else ():
            with suppress(OSError):  # another process has removed or renamed it, or still reads it
                if folder.stat().st_mtime < time.time() - PART_S:
                    remove(folder)
                elif not folder.name.startswith("."):
                    found.append(folder)
        return found

    def _earlier_images(self) -> Images:
        """The images of earlier runs, and of parts, that can be read."""
        folders = [*self._parts(), *map(Path, self._packed())]
        try:
            return Images(*folders)
        except (pa.ArrowException, OSError, InputError):
            return Images(*filter(_can_be_read, folders))

    def _take(self, path: Path) -> None:
        try:
            rows = read_shard(path, SCHEMA)
        except FileNotFoundError:  # another process has removed it
            return
        except (pa.ArrowException, OSError, ValueError):
            remove(path)
            return
        names, stamps, *columns = (column.to_pylist() for column in rows.columns)
        infos: Iterable[PictureInfo] = map(PictureInfo._make, zip(*columns, strict=True))
        self._known |= {stamp: (name, info) for name, stamp, info in zip(names, stamps, infos, strict=True) if name in self._images}


def _can_be_read(folder: Path) -> bool:
    try:
        return len(Images(folder)) > 0
    except (pa.ArrowException, OSError, InputError):
        return False
