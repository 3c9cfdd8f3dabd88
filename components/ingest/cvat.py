"""Reads what CVAT exports as `CVAT for images 1.1`: tags as labels of whole images, or where no image has one the labels of its shapes."""

from typing import Any
from xml.parsers import expat

from components.ingest.annotations import Annotations, Image, make_annotations, unanswered
from components.ingest.file_names import FileNames
from components.ingest.listing import first_few
from components.ingest.split_names import is_unclear, split_in
from darkroom.system.errors import InputError

COLUMN = "labels"
_SHAPES = {"box", "polygon", "polyline", "points", "cuboid", "skeleton", "ellipse", "mask"}


def read_cvat(name: str, data: bytes, names: FileNames) -> Annotations:
    """Reads an export; the subsets train, validation and test are the splits.

    Args:
        name: The file's path in the source.
        data: Its bytes.
        names: The files of the source: of several of one name that of the image's subset is meant.

    Raises:
        InputError: It is no such file, or one of a video.
    """
    export = _Export(name, names)
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = export.start, export.end
    parser.StartDoctypeDeclHandler = export.refuse  # nothing else may define entities, and those may unpack to gigabytes
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:  # the others where it is in a character set that expat does not know
        raise InputError(f"{name} is no readable XML ({error}): export it again") from None
    if not export.images:
        export.refuse()
    return export.annotations()


class _Export:
    def __init__(self, name: str, names: FileNames) -> None:
        self._name, self._names = name, names
        self._above: list[str] = []
        self.images: list[tuple[Image, list[str], list[str]]] = []  # with its tags, and the labels of its shapes
        self._attributes: set[str] = set()

    def start(self, element: str, attributes: dict[str, str]) -> None:
        above = self._above[-1] if self._above else ""
        if not self._above and element != "annotations":
            self.refuse()
        if element == "track":
            raise InputError(f"{self._name} holds tracks of a video: export the task as CVAT for images, with its images")
        self._above.append(element)
        if element == "image" and above == "annotations":
            self._add(attributes)
        elif above == "image" and len(self._above) == 3:
            _, tags, shapes = self.images[-1]
            found = tags if element == "tag" else shapes if element in _SHAPES else None
            if found is not None:
                found.append(self._label(attributes))
        elif element == "attribute" and above == "tag":
            self._attributes.add(attributes.get("name", ""))

    def end(self, element: str) -> None:
        self._above.pop()

    def refuse(self, *_: Any) -> None:
        raise InputError(
            f"{self._name} is not what CVAT exports as CVAT for images: export it so, save it as CSV, or name it in ingest.ignore"
        )

    def _label(self, attributes: dict[str, str]) -> str:
        if not attributes.get("label"):
            raise InputError(f"{self._name} has a tag or shape without a label on {self.images[-1][0].path}: export it again")
        return attributes["label"]

    def _add(self, attributes: dict[str, str]) -> None:
        if not attributes.get("name"):
            raise InputError(f"{self._name} has an image (id {attributes.get('id')}) without a name: export it again")
        name, subset = attributes["name"], attributes.get("subset", "")
        placed = f"images/{subset}/{name}"
        path = placed if subset and self._names.locate(placed, self._name) else name
        self.images.append((Image(path, {}, {"split": split_in(subset) or (subset if is_unclear(subset) else None)}), [], []))

    def annotations(self) -> Annotations:
        with_tags = any(tags for _, tags, _ in self.images)
        listed = []
        for image, tags, shapes in self.images:
            image.labels[COLUMN] = tags if with_tags else shapes
            listed.append(image)
        if not any(image.facts["split"] for image in listed):
            for image in listed:
                image.facts.clear()
        what = "tags" if with_tags else "shapes' labels, as no image has a tag"
        notes = [f"{self._name} is CVAT's: an image's labels are its {what}"]
        if with_tags and (num := sum(len(shapes) for *_, shapes in self.images)):
            notes.append(f"{num:,} shape(s) of {self._name} are not read, as images have tags")
        if self._attributes:
            notes.append(f"attributes of tags in {self._name} are not read: {first_few(sorted(self._attributes))}")
        return make_annotations(listed, [*notes, *unanswered(listed, COLUMN, self._name, "tag" if with_tags else "shape")])
