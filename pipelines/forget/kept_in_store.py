"""What runs keep in MLflow: tables, pages, pictures, examples of models and tags; and the models that had an image."""

import base64
import hashlib
import io
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from typing import Any

from PIL import Image

from darkroom.registry.fetch import PREVIOUS_KEPT, REPORT_KEPT, SPLITS_KEPT
from darkroom.registry.registry import Version, alias_of, model_names, set_tags, versions
from darkroom.tracking import kept_files
from darkroom.tracking.client import database
from darkroom.tracking.log import set_run_tags
from darkroom.tracking.search import ACTIVE, DELETED, search_runs
from darkroom.tracking.tags import PREVIOUS
from pipelines.forget.kept_tables import roles, without_images
from pipelines.forget.removals import TOMBSTONE, Removal
from pipelines.forget.subject import Subject

_BUNDLES, _FIGURES = "bundles", "figures"  # hold no image
_PICTURES = "images/"  # the contact sheet, which shows training images
_TEXTS = (".json", ".txt", ".csv", ".html", ".md")
_EXAMPLES = ("input_example.json", "serving_input_example.json")  # of a logged model: a small picture of some image
_NOT_KNOWN = "not known"
_HOLD_VECTORS = frozenset({"k_nearest", "rbf_svm"})  # models that keep the vectors of training images


@dataclass(frozen=True)
class Use:
    """What a registered model had of the images.

    Attributes:
        model: Its name.
        version: Its version.
        alias: Its alias, or empty.
        run_id: The run that made it.
        roles: The splits in which the images were, such as `train`; `not known` where the run keeps no table of them.
        holds_vectors: Whether the model keeps the vectors of its training images.
    """

    model: str
    version: int
    alias: str
    run_id: str
    roles: tuple[str, ...]
    holds_vectors: bool

    def plain(self) -> dict[str, Any]:
        """The values as JSON has them."""
        return {**asdict(self), "roles": list(self.roles)}


def uses(subject: Subject) -> list[Use]:
    """The registered models whose data had an image, and those of which that is not known."""
    found = []
    for version in (version for name in model_names() for version in versions(name)):
        known = _roles(version, subject)
        if known:
            holds = bool(known & {"train", _NOT_KNOWN}) and version.tags.get("architecture", "") in _HOLD_VECTORS
            found.append(Use(version.name, version.number, alias_of(version), version.run_id, tuple(sorted(known)), holds))
    return found


def store_removals(subject: Subject, renamed: Mapping[str, str]) -> Iterator[Removal]:
    """What the runs in MLflow keep of the images, deleted runs too.

    Args:
        subject: The images.
        renamed: New names of earlier assignments by their old ones, which tags name.
    """
    everything = [run for view in (ACTIVE, DELETED) for run in search_runs("", view=view)]
    for run in everything:
        changed = {name: subject.blot(value) for name, value in run.data.tags.items() if subject.blot(value) != value}
        if changed:
            yield Removal("tags", f"run {run.info.run_id[:8]}: {', '.join(changed)}", _tagging(str(run.info.run_id), changed))
    for version in (version for name in model_names() for version in versions(name)):
        changed = {name: subject.blot(value) for name, value in version.tags.items() if subject.blot(value) != value}
        if changed:
            yield Removal("tags", f"{version.name}/{version.number}", lambda version=version, tags=changed: set_tags(version, tags))  # type: ignore[misc]
    for run in everything:
        yield from _of_run(str(run.info.run_id), subject)
    yield Removal("names", "tags that name earlier assignments", lambda: _rename_tags(everything, renamed))


def vacuum() -> None:
    """Makes a store that is an SQLite file forget the values that were replaced, which stay in its free pages until then."""
    if (path := database()) and path.is_file():
        with closing(sqlite3.connect(path, timeout=60)) as store:
            store.execute("VACUUM")


def _roles(version: Version, subject: Subject) -> set[str]:
    try:
        return roles(kept_files.read_kept(version.run_id, SPLITS_KEPT), subject.contents)
    except Exception:  # each kind of artifact store raises its own where there is no such file; it may also be damaged
        return {_NOT_KNOWN}


def _of_run(run_id: str, subject: Subject) -> Iterator[Removal]:
    """The files of a run: tables and texts are written anew; what shows its images goes where its tables have one of them."""
    paths = list(kept_files.kept_paths(run_id, skipped=frozenset({_BUNDLES, _FIGURES})))
    tables = {path: kept_files.read_kept(run_id, path) for path in paths if path.endswith(".parquet")}
    anew = {path: table for path, data in tables.items() if (table := without_images(data, subject.contents, subject.blot)) is not None}
    for path in [path for path in paths if path.endswith(_TEXTS) and not (path == REPORT_KEPT and anew)]:
        text = kept_files.read_kept(run_id, path).decode(errors="surrogateescape")
        if (blotted := subject.blot(text)) != text:
            yield Removal("texts", f"run {run_id[:8]}: {path}", _replacing(run_id, path, blotted.encode(errors="surrogateescape")))
    if anew:
        if REPORT_KEPT in paths:
            yield Removal("reports", f"run {run_id[:8]}: {REPORT_KEPT}", _replacing(run_id, REPORT_KEPT, TOMBSTONE.encode()))
        for path in [path for path in paths if path.startswith(_PICTURES)]:
            yield Removal("pictures", f"run {run_id[:8]}: {path}", lambda path=path: kept_files.delete_kept(run_id, path))  # type: ignore[misc]
        for model in kept_files.logged_models(run_id):
            yield from _examples(model)
    for path, table in anew.items():
        yield Removal("tables", f"run {run_id[:8]}: {path}", _replacing(run_id, path, table))


def _examples(model: str) -> Iterator[Removal]:
    """The example that a model was logged with, a picture that may show the image: replaced by a grey one."""
    for name in _EXAMPLES:
        if data := kept_files.read_of_model(model, name):
            neutral = _neutral(json.loads(data))
            if neutral != json.loads(data):
                yield Removal("examples", f"model {model}: {name}", _replacing_of_model(model, name, json.dumps(neutral).encode()))


def _neutral(value: Any) -> Any:
    """An example with a grey picture of the same size in the place of each."""
    if isinstance(value, dict):
        return {name: _neutral(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_neutral(part) for part in value]
    if isinstance(value, str):
        with suppress(ValueError, OSError), Image.open(io.BytesIO(base64.b64decode(value, validate=True))) as picture:
            file = io.BytesIO()
            Image.new("RGB", picture.size, (128, 128, 128)).save(file, "PNG")
            return base64.b64encode(file.getvalue()).decode()
    return value


def _rename_tags(everything: list[Any], renamed: Mapping[str, str]) -> None:
    """Lets tags name the earlier assignments as they are now, those that only MLflow keeps too."""
    names = {**renamed}
    for run in everything:
        old = run.data.tags.get(PREVIOUS, "")
        with suppress(Exception):  # most runs keep no such table
            kept = hashlib.sha256(kept_files.read_kept(str(run.info.run_id), PREVIOUS_KEPT)).hexdigest() if old not in ("", "none") else old
            if kept != old:
                names[old] = kept
    for run in everything:
        if new := names.get(run.data.tags.get(PREVIOUS, "")):
            set_run_tags(str(run.info.run_id), {PREVIOUS: new})
    for version in (version for name in model_names() for version in versions(name)):
        if new := names.get(version.tags.get(PREVIOUS, "")):
            set_tags(version, {PREVIOUS: new})


def _tagging(run_id: str, tags: Mapping[str, str]) -> Any:
    return lambda: set_run_tags(run_id, tags)


def _replacing(run_id: str, path: str, data: bytes) -> Any:
    return lambda: kept_files.replace_kept(run_id, path, data)


def _replacing_of_model(model: str, name: str, data: bytes) -> Any:
    return lambda: kept_files.replace_of_model(model, name, data)
