"""A data set of torchvision's by name: `torchvision://CIFAR10`, from a folder of the user's, or downloaded where there is a network."""

import hashlib
import inspect
import io
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darkroom.system.errors import InputError
from darkroom.versions.fetch_choice import Choose, everything
from darkroom.versions.user_folder import user_folder

SCHEME = "torchvision"
FORM = "torchvision://NAME, or torchvision://NAME?root=FOLDER for files that are on this machine, such as torchvision://CIFAR10"
SPLITS = ("train", "val", "valid", "validation", "dev", "test")  # as the data sets call theirs
ROWS_AT_ONCE = 1000
_ADDRESS = re.compile(r"(?P<name>[A-Za-z]\w*)(\?root=(?P<root>[^?#&]+))?")


@dataclass(frozen=True)
class TorchvisionAddress:
    """A data set of torchvision's.

    Attributes:
        name: Its class, such as `CIFAR10`.
        root: The folder with its files; empty for this user's own, into which it is downloaded.
    """

    name: str
    root: str

    @property
    def text(self) -> str:
        """The address as a person writes it."""
        return f"{SCHEME}://{self.name}" + (f"?root={self.root}" if self.root else "")

    @property
    def title(self) -> str:
        """What a run is named after."""
        return self.name

    @property
    def file_name(self) -> str:
        """What the folder is called."""
        return self.name

    def __str__(self) -> str:
        return self.text

    def version(self) -> str:
        """A hash of all images' pixels and labels, by split.

        Raises:
            InputError: See `fetched`.
        """
        digest = hashlib.md5(usedforsecurity=False)
        with self._splits() as splits:
            for split, data in splits.items():
                for picture, label in data:
                    digest.update(f"{split} {label} {picture.size} {picture.mode} ".encode() + picture.tobytes())
        return digest.hexdigest()

    @contextmanager
    def fetched(self, data_version: str, choose: Choose = everything) -> Iterator[Path]:
        """The data set as Parquet files with images, one a split, as Hugging Face writes them.

        Args:
            data_version: What the version must be, or empty.
            choose: Whether it is written, as one file.

        Raises:
            InputError: torchvision has no such data set of pictures with classes, its files are not there, or are of another version.
        """
        if data_version and data_version != (now := self.version()):
            raise InputError(f"{self} is now {now[:12]}, not the version {data_version[:12]} of this run: its files were changed")
        with tempfile.TemporaryDirectory(prefix="darkroom-") as temporary:
            target = Path(temporary) / self.name
            if not choose({"": ""}):
                yield target
                return
            with self._splits() as splits:
                for split, data in splits.items():
                    _write(data, target / f"{split or 'all'}-00000-of-00001.parquet")
            yield target

    @contextmanager
    def _splits(self) -> Iterator[dict[str, Any]]:
        """The data set's parts by split; one without a name where it has no splits."""
        with nullcontext(Path(self.root)) if self.root else user_folder("torchvision") as root:
            yield self._parts(root)

    def _parts(self, root: Path) -> dict[str, Any]:
        from torchvision import datasets

        maker = getattr(datasets, self.name, None)
        if self.name not in datasets.__all__ or not inspect.isclass(maker) or "root" not in (takes := inspect.signature(maker).parameters):
            raise InputError(f"torchvision has no data set {self.name!r}: name a class of torchvision.datasets, such as CIFAR10")
        if "train" in takes:
            return {split: self._open(maker, root, train=split == "train") for split in ("train", "test")}
        if "split" not in takes:
            return {"": self._open(maker, root)}
        found = {split: data for split in SPLITS if (data := self._open(maker, root, split=split)) is not None}
        usual = takes["split"].default  # what is trained on where it is not called train: `trainval`, `train-standard`
        if "train" not in found and isinstance(usual, str) and usual not in found:
            found[usual] = self._open(maker, root, split=usual)
        if not found:
            raise InputError(f"torchvision's {self.name} has none of the splits {', '.join(SPLITS)}: write it as class folders")
        return found

    def _open(self, maker: Any, root: Path, **options: Any) -> Any:
        """A part of the data set, downloaded where its files are not there; none where it has no such split.

        Raises:
            InputError: The files are not there, and can't be downloaded; or it holds no pictures with one class each.
        """
        try:
            try:
                data = maker(str(root), **options)
            except (RuntimeError, FileNotFoundError):
                data = maker(str(root), **options, download=True)
        except ValueError as error:
            if "split" in str(error):
                return None
            raise
        except (RuntimeError, OSError, TypeError) as error:  # the last: it can't be downloaded at all
            raise InputError(
                f"{self} is not in {root}, and can't be downloaded ({error}): put its files there, or name their folder as {FORM}"
            ) from None
        picture, label = data[0] if len(data) else (None, None)
        if not hasattr(picture, "tobytes") or not isinstance(label, int):
            raise InputError(f"torchvision's {self.name} holds no pictures with one class each: name another data set")
        return data


def parse_address(text: str) -> TorchvisionAddress:
    """Reads what follows `torchvision://`.

    Raises:
        InputError: It has not the form of an address.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise InputError(f"the data source {SCHEME}://{text} has not the form {FORM}")
    return TorchvisionAddress(match["name"], match["root"] or "")


def _write(data: Any, path: Path) -> None:
    """Writes pictures and labels, a part of them in memory at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    names = [" ".join(name) if isinstance(name, tuple) else str(name) for name in getattr(data, "classes", ())]
    label = {"names": names, "_type": "ClassLabel"} if names else {"dtype": "int64", "_type": "Value"}
    metadata = json.dumps({"info": {"features": {"image": {"_type": "Image"}, "label": label}}})
    schema = pa.schema([("image", pa.binary()), ("label", pa.int64())], {"huggingface": metadata})
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(data), ROWS_AT_ONCE):
            rows = [data[number] for number in range(start, min(start + ROWS_AT_ONCE, len(data)))]
            writer.write_table(pa.table([[_png(picture) for picture, _ in rows], [number for _, number in rows]], schema=schema))


def _png(picture: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
