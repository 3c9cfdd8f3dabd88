"""Reads what Label Studio exports as JSON and JSON-MIN: annotators' choices, also in a taxonomy, as labels of whole images."""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

from components.ingest.annotations import Annotations, Image, UnansweredError, make_annotations, unanswered
from components.ingest.column_names import GROUPS, SPLITS, known
from components.ingest.file_names import FileNames
from components.ingest.listing import first_few
from components.ingest.taxonomy import as_path, leaf_names, of_exported_cell

_OF_IMAGES = {"choices", "taxonomy"}  # kinds of answers that are about the whole image
COLUMN = "label"  # where there is one question; each of several has a column of its own name
_MIN_KEYS = {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"}  # beside the task's data and the answers
_LOCAL = "/data/local-files/?d="
_UPLOAD = re.compile(r"/data/upload/([0-9]+/)?(?P<whole>([0-9a-f]{8}-)?(?P<own>.+))")

Answers = dict[str, tuple[str, ...]]  # of one annotation, by question


class Task(NamedTuple):
    """An image that was to be annotated.

    Attributes:
        data: What the project knows of it, by key.
        answers: Of each annotation that counts.
    """

    data: dict[str, Any]
    answers: list[Answers]


def read_label_studio(name: str, value: Any, names: FileNames, answer: str = "") -> Annotations | None:
    """Reads a file of one of both forms; nothing where it is of another.

    Cancelled annotations don't count. Of several of one image the ground truth counts, else the answer that most of them give.

    Args:
        name: The file's path in the source.
        value: What the JSON holds.
        names: The files of the source: names of uploaded files begin with eight characters of Label Studio's own, or not any more.
        answer: The question that the user named, if any: JSON-MIN does not always tell which of its columns is one.

    Raises:
        UnansweredError: No task has an answer that is a class, or JSON-MIN does not tell which of several texts is the answer.
    """
    if not isinstance(value, list) or not value or not all(isinstance(task, dict) for task in value):
        return None
    if all(isinstance(task.get("data"), dict) and isinstance(task.get("annotations"), list) for task in value):
        tasks, what = _from_json(value)
    elif all({"id", "annotator", "annotation_id"} <= task.keys() for task in value):
        tasks, what = _from_json_min(name, value, answer), "choices"
    else:
        return None
    questions = sorted({question for task in tasks for answers in task.answers for question in answers})
    if not questions:
        raise UnansweredError(f"{name} is Label Studio's, but no task of it has choices or labelled regions: export one that has")
    tasks, leaf_notes = _with_leaf_names(name, tasks, questions)
    own_name = len(questions) > 1 or answer in questions
    key = _path_key(name, [task.data for task in tasks], names)
    images, disputed, num_open = [], [], 0
    for task in tasks:
        path = path_of_task(str(task.data.get(key, "")), name, names)
        agreed = _agreed([{question: one.get(question, ()) for question in questions} for one in task.answers])
        if agreed:
            labels = {question if own_name else COLUMN: list(agreed[question]) for question in questions}
            images.append(Image(path, labels, {other: cell for other, cell in task.data.items() if other != key}))
        elif task.answers:
            disputed.append(path)
        else:
            num_open += 1
    notes = [f"{name} is Label Studio's: an image's labels are the {what} of {first_few(list(map(repr, questions)))}", *leaf_notes]
    notes += [f"{num_open:,} task(s) of {name} without an annotation are left out"] if num_open else []
    notes += [f"{len(disputed):,} image(s) of {name} whose annotators disagree are left out: {first_few(disputed)}"] if disputed else []
    return make_annotations(images, [*notes, *(_unanswered(images, name) if len(questions) == 1 else [])])


def _unanswered(images: list[Image], name: str) -> list[str]:
    return unanswered(images, next(iter(images[0].labels)), name, "choice") if images else []


def _from_json(tasks: list[dict[str, Any]]) -> tuple[list[Task], str]:
    """The tasks, and what their labels are: choices, or those of regions where there are no choices."""
    counting = [[one for one in task["annotations"] if not one.get("was_cancelled")] for task in tasks]
    counting = [[one for one in annotations if one.get("ground_truth")] or annotations for annotations in counting]
    kinds = {kind for annotations in counting for one in annotations for _, kind, _ in _results(one)}
    kept = kinds & _OF_IMAGES or kinds
    answers = [[_answers(one, kept) for one in annotations] for annotations in counting]
    pairs = zip(tasks, answers, strict=True)
    return [Task(task["data"], found) for task, found in pairs], "choices" if kinds & _OF_IMAGES else "labels of regions"


def _results(annotation: dict[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """The question, the kind and the labels of each result of an annotation that has labels."""
    for result in annotation.get("result") or ():
        kind = result.get("type", "")
        labels = (result.get("value") or {}).get(kind)
        if kind == "taxonomy" and isinstance(labels, list):
            labels = [as_path(path) for path in labels]
        if isinstance(labels, list) and labels and all(isinstance(label, str) for label in labels):
            yield result.get("from_name", kind), kind, labels


def _answers(annotation: dict[str, Any], kinds: Collection[str]) -> Answers:
    found: dict[str, set[str]] = {}
    for question, kind, labels in _results(annotation):
        if kind in kinds:
            found.setdefault(question, set()).update(labels)
    return {question: tuple(sorted(labels)) for question, labels in found.items()}


def _with_leaf_names(name: str, tasks: list[Task], questions: list[str]) -> tuple[list[Task], list[str]]:
    """The tasks with the labels of taxonomies named by their last level, and sentences about them."""
    notes = []
    for question in questions:
        paths = {label for task in tasks for answers in task.answers for label in answers.get(question, ())}
        names, note = leaf_names(paths)
        if note:
            notes.append(f"{question!r} of {name} is a taxonomy: {note}")
            renamed = [[one | {question: tuple(names[label] for label in one.get(question, ()))} for one in task.answers] for task in tasks]
            tasks = [task._replace(answers=answers) for task, answers in zip(tasks, renamed, strict=True)]
    return tasks, notes


def _from_json_min(name: str, rows: list[dict[str, Any]], answer: str) -> list[Task]:
    """The tasks of rows, one an annotation: data and answers stand together, several choices as an object, one as a text.

    Unless the user names the answer or one is of several choices, the one text that takes few values is the answer: data is another
    in nearly each row.
    """
    questions = {answer} if any(answer in row for row in rows) else {key for row in rows for key, cell in row.items() if _is_choice(cell)}
    texts: dict[str, set[str]] = {}
    for row in rows:
        for key, cell in row.items():
            if isinstance(cell, str) and key not in _MIN_KEYS:
                texts.setdefault(key, set()).add(cell)
    num_tasks = len({row["id"] for row in rows})
    about_images = known(texts, (*GROUPS, *SPLITS))
    repeating = [key for key, cells in texts.items() if len(cells) < num_tasks and key not in about_images]
    if len(repeating) != 1 and not questions:
        raise UnansweredError(
            f"{name} is Label Studio's JSON-MIN, which does not say which of its columns is the answer "
            f"({first_few(repeating) or 'none has choices'}): name it in ingest.label_column, or export it as JSON"
        )
    questions = questions or set(repeating)
    tasks: dict[Any, Task] = {}
    for row in rows:
        data = {key: cell for key, cell in row.items() if key not in questions | _MIN_KEYS}
        task = tasks.setdefault(row["id"], Task(data, []))
        task.answers.append({key: tuple(sorted(set(_choices(row[key])))) for key in questions if row.get(key)})
    return list(tasks.values())


def _is_choice(cell: Any) -> bool:
    return not isinstance(cell, str) and of_exported_cell(cell) is not None


def _choices(cell: Any) -> list[str]:
    found = of_exported_cell(cell)
    return [str(cell)] if found is None else found


def _agreed(answers: list[Answers]) -> Answers | None:
    """The answers that more annotations give than any others; none where two are as frequent, or there are none."""
    counts = Counter(tuple(sorted(one.items())) for one in answers).most_common(2)
    is_clear = len(counts) == 1 or (len(counts) == 2 and counts[0][1] > counts[1][1])
    return dict(counts[0][0]) if is_clear else None


def _path_key(name: str, tasks: list[dict[str, Any]], names: FileNames) -> str:
    """The part of the tasks' data that names the most images here, else the first text that looks like a path."""
    keys = list(dict.fromkeys(key for task in tasks for key, cell in task.items() if isinstance(cell, str)))
    num_found = {key: sum(bool(names.locate(path_of_task(str(task.get(key, "")), name, names), name)) for task in tasks) for key in keys}
    like_paths = [any("/" in str(task.get(key, "")) for task in tasks) for key in keys]
    return max(keys, key=lambda key: (num_found[key], like_paths[keys.index(key)]), default="")


def path_of_task(text: str, table: str, names: FileNames) -> str:
    """What a task calls an image, as a name of a file: of an upload without Label Studio's beginning where the file has none."""
    if text.startswith(_LOCAL):
        relative = unquote(text.removeprefix(_LOCAL))
        return relative if names.locate(relative, table) else f"/{relative.lstrip('/')}"
    if match := _UPLOAD.fullmatch(text):
        whole, own = unquote(match["whole"]), unquote(match["own"])
        return own if not names.locate(whole, table) and names.locate(own, table) else whole
    return text
