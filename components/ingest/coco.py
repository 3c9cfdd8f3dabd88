"""Reads COCO's annotations as labels of whole images: an image's labels are the categories of its annotations."""

from typing import Any

from components.ingest.annotations import PATH, Annotations, Image, make_annotations, unanswered
from components.ingest.listing import first_few
from darkroom.system.errors import InputError

PARTS = ("images", "annotations", "categories")
COLUMN = "labels"
_NO_FACTS = {"id", "width", "height", PATH}  # said by the file itself, or numbers of COCO's own


def read_coco(name: str, value: Any) -> Annotations | None:
    """Reads a file of COCO's form; nothing where it is of another.

    Boxes, masks and `iscrowd` don't count, only what is there: one category an image makes a single-label task, several a
    multi-label one. Categories that no image has are no classes.

    Args:
        name: The file's path in the source.
        value: What the JSON holds.

    Raises:
        InputError: An image or a category has no name, two different ones have one id, or an annotation is of no category of the file.
    """
    if not isinstance(value, dict) or not all(_are_objects(value.get(part)) for part in PARTS):
        return None
    categories = {number: str(category["name"]) for number, category in _by_id(name, value["categories"], "category", "name").items()}
    images = {
        number: Image(image[PATH], {COLUMN: []}, {key: cell for key, cell in image.items() if key not in _NO_FACTS})
        for number, image in _by_id(name, value["images"], "image", PATH).items()
    }
    astray = []
    for annotation in value["annotations"]:
        category = _id(annotation.get("category_id"))
        if category not in categories:
            raise InputError(
                f"{name} has an annotation (id {annotation.get('id')}) of category {category}, which is not among its categories "
                f"({first_few(list(categories.values()))}): correct it, or take it out"
            )
        if image := images.get(_id(annotation.get("image_id"))):
            image.labels[COLUMN].append(categories[category])
        else:
            astray.append(str(annotation.get("id")))
    listed = list(images.values())
    notes = [f"{name} is COCO's: an image's labels are the categories of its annotations", *unanswered(listed, COLUMN, name, "annotation")]
    if astray:
        notes.append(f"{len(astray):,} annotation(s) of {name} are of images that it does not list: {first_few(astray)}")
    if unused := sorted(set(categories.values()) - {label for image in listed for label in image.labels[COLUMN]}):
        notes.append(f"{len(unused)} categories of {name} are those of no image, and are no classes: {first_few(unused)}")
    return make_annotations(listed, notes)


def _are_objects(part: Any) -> bool:
    return isinstance(part, list) and all(isinstance(item, dict) for item in part)


def _by_id(name: str, parts: list[dict[str, Any]], what: str, called: str) -> dict[str, dict[str, Any]]:
    """Images or categories by id.

    Args:
        name: The file's path in the source.
        parts: The images or the categories.
        what: Which of both, for messages.
        called: The key of their name.

    Raises:
        InputError: One has no name, or two different ones have one id, as in joined files: nothing says whose annotations are meant.
    """
    found: dict[str, dict[str, Any]] = {}
    for part in parts:
        number = _id(part.get("id"))
        if not isinstance(part.get(called), str):
            raise InputError(f"{name} names no {called} for the {what} of id {number}: add it")
        if found.setdefault(number, part) != part:
            raise InputError(
                f"{name} has the {what} id {number} twice ({first_few([found[number][called], part[called]])}): give each an id of its own"
            )
    return found


def _id(value: Any) -> str:
    """An id as a text: some programs write numbers here and texts there."""
    return str(value)
