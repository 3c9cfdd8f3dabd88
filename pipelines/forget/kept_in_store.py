"""What runs keep in MLflow: tables, pages, pictures, examples of models and tags; and the models that had an image."""

import base64
import hashlib
import io
import json
import sqlite3
from collections import ChainMap
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
from PIL import Image

from darkroom.model import CARD
from darkroom.registry.fetch import PREVIOUS_KEPT, REPORT_KEPT, SPLITS_KEPT
from darkroom.registry.registry import Version, alias_of, model_names, set_tags, versions
from darkroom.tracking import kept_files
from darkroom.tracking.client import database
from darkroom.tracking.log import set_run_tags
from darkroom.tracking.search import ACTIVE, DELETED, search_runs
from darkroom.tracking.tags import PREVIOUS
from pipelines import history
from pipelines.forget.kept_tables import roles, without_images
from pipelines.forget.removals import TEXTS, TOMBSTONE, Removal
from pipelines.forget.subject import Subject
from pipelines.history import Record

_BUNDLES, _FIGURES = "bundles", "figures"  # hold no image; the cards of models may name one
_LOGGED_CARD = f"artifacts/bundle/{CARD}"  # of a logged model
_PICTURES = "images/"  # the contact sheet, which shows training images
_TEXTS = (*TEXTS, ".html")
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
        roles: The splits in which the images were, such as `train`, and `pretrain` where its network had learnt from them without labels;
            `not known` where no table of them is kept.
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
    found, runs = [], {run.run_id: run for run in history.runs()}
    for version in (version for name in model_names() for version in versions(name)):
        known = _roles(version, subject) | _pretrained_on(runs.get(version.run_id), subject)
        if known:
            holds = bool(known & {"train", _NOT_KNOWN}) and version.tags.get("architecture", "") in _HOLD_VECTORS
            found.append(Use(version.name, version.number, alias_of(version), version.run_id, tuple(sorted(known)), holds))
    return found


def store_removals(subject: Subject, renamed: Mapping[str, str], left: list[str]) -> Iterator[Removal]:
    """What the runs in MLflow keep of the images, deleted runs too: first what tags say, and which earlier assignments they name.

    Args:
        subject: The images.
        renamed: New names of earlier assignments on this machine by their old ones.
        left: Gets what could not be looked at, a sentence each.
    """
    everything = [run for view in (ACTIVE, DELETED) for run in search_runs("", view=view)]
    kept = [_Kept.of(str(run.info.run_id), subject, left) for run in everything]
    names = dict(ChainMap(dict(renamed), *(one.renamed for one in kept)))
    for run in everything:
        if changed := _changed(run.data.tags, subject, names):
            yield Removal("tags", f"run {run.info.run_id[:8]}: {', '.join(changed)}", _tagging(str(run.info.run_id), changed))
    for version in (version for name in model_names() for version in versions(name)):
        if changed := _changed(version.tags, subject, names):
            yield Removal("tags", f"{version.name}/{version.number}", lambda version=version, tags=changed: set_tags(version, tags))  # type: ignore[misc]
    for one in kept:
        yield from _of_run(one, subject)


def _changed(tags: Mapping[str, str], subject: Subject, names: Mapping[str, str]) -> dict[str, str]:
    """The tags that are to say something else."""
    wanted = {name: names.get(value, value) if name == PREVIOUS else subject.blot(value) for name, value in tags.items()}
    return {name: value for name, value in wanted.items() if value != tags[name]}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


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


def _pretrained_on(run: Record | None, subject: Subject) -> set[str]:
    """The role of the images in data without labels, from which a run's network learnt first; none where it did not, or the run is gone."""
    given = history.logged_settings(run).get("pretrain", {}) if run else {}
    if run is None or not (given.get("enabled") and given.get("data")):
        return set()
    known = subject.versions.get(run.params["pretrain.data_version"])
    return {_NOT_KNOWN} if known is None else {"pretrain"} if known else set()


@dataclass(frozen=True)
class _Kept:
    """The files of a run.

    Attributes:
        run_id: The run.
        paths: Their paths.
        anew: The tables that have an image, without it.
        renamed: The new name of the earlier assignment among them by its old one.
    """

    run_id: str
    paths: list[str]
    anew: dict[str, bytes]
    renamed: dict[str, str]

    @classmethod
    def of(cls, run_id: str, subject: Subject, left: list[str]) -> "_Kept":
        """Lists the files of a run; `left` gets the tables that can't be read, a sentence each."""
        every = kept_files.kept_paths(run_id, skipped=frozenset({_FIGURES}))
        paths = [path for path in every if not path.startswith(f"{_BUNDLES}/") or path.endswith(f"/{CARD}")]
        anew, renamed = dict[str, bytes](), dict[str, str]()
        for path in [path for path in paths if path.endswith(".parquet")]:
            data = kept_files.read_kept(run_id, path)
            try:
                table = without_images(data, subject.contents, subject.blot)
            except (pa.ArrowException, OSError):
                left.append(f"run {run_id[:8]}: {path} in MLflow is damaged, so it can't be said whether it holds the image: delete it")
                continue
            if table is not None:
                anew[path] = table
                if path == PREVIOUS_KEPT:
                    renamed[_sha256(data)] = _sha256(table)
        return cls(run_id, paths, anew, renamed)


def _of_run(kept: _Kept, subject: Subject) -> Iterator[Removal]:
    """The files of a run: tables and texts are written anew; what shows its images goes where its tables have one of them."""
    run_id, run = kept.run_id, f"run {kept.run_id[:8]}"
    for path in [path for path in kept.paths if path.endswith(_TEXTS) and not (path == REPORT_KEPT and kept.anew)]:
        text = kept_files.read_kept(run_id, path).decode(errors="surrogateescape")
        if (blotted := subject.blot(text)) != text:
            yield Removal("texts", f"{run}: {path}", _replacing(run_id, path, blotted.encode(errors="surrogateescape")))
    for model in kept_files.logged_models(run_id):
        card = (kept_files.read_of_model(model, _LOGGED_CARD) or b"").decode(errors="surrogateescape")
        if (blotted := subject.blot(card)) != card:
            yield Removal(
                "texts", f"model {model}: {CARD}", _replacing_of_model(model, _LOGGED_CARD, blotted.encode(errors="surrogateescape"))
            )
    if kept.anew:
        if REPORT_KEPT in kept.paths:
            yield Removal("reports", f"{run}: {REPORT_KEPT}", _replacing(run_id, REPORT_KEPT, TOMBSTONE.encode()))
        for path in [path for path in kept.paths if path.startswith(_PICTURES)]:
            yield Removal("pictures", f"{run}: {path}", lambda path=path: kept_files.delete_kept(run_id, path))  # type: ignore[misc]
        for model in kept_files.logged_models(run_id):
            yield from _examples(model)
    for path, table in kept.anew.items():
        yield Removal("tables", f"{run}: {path}", _replacing(run_id, path, table))


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


def _tagging(run_id: str, tags: Mapping[str, str]) -> Any:
    return lambda: set_run_tags(run_id, tags)


def _replacing(run_id: str, path: str, data: bytes) -> Any:
    return lambda: kept_files.replace_kept(run_id, path, data)


def _replacing_of_model(model: str, name: str, data: bytes) -> Any:
    return lambda: kept_files.replace_of_model(model, name, data)
