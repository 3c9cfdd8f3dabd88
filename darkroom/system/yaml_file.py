"""YAML that people write: a value is what they typed, or it is refused with its line.

Numbers and words are read as JSON has them, so `0123`, `12:30`, `yes` and `2026-11-28` are texts. A key that stands twice and
the marks of a merge conflict are refused: of two values, or of two sides, none is left out without a word.
"""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from darkroom.system.errors import InputError

_TAG = "tag:yaml.org,2002:"
_CONFLICT = re.compile(r"^(<{7}|>{7})(\s|$)", re.MULTILINE)
_SCALARS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("merge", r"<<", "<"),
)


class NotYamlError(InputError):
    """A file is no YAML at all."""


class Section(dict[Any, Any]):
    """A mapping that knows where it was written, and how.

    Attributes:
        source: The file.
        lines: The line of each key in it, from 1.
        texts: The values that YAML reads as a number or a truth value, as they were typed.
    """

    def __init__(self, values: Mapping[Any, Any] | None = None, source: str = "") -> None:
        super().__init__(values or {})
        self.source, self.lines, self.texts = source, dict[Any, int](), dict[Any, str]()

    @classmethod
    def of(cls, values: Mapping[Any, Any]) -> "Section":
        """The values themselves, where they are a section already."""
        return values if isinstance(values, cls) else cls(values)

    def lay_over(self, name: str, text: str) -> None:
        """Replaces a value by one that was typed elsewhere, such as on the command line."""
        self[name] = value_of(text)
        self.lines.pop(name, None)
        self.texts[name] = text.strip()


class _Items(list[Any]):
    """A list, likewise."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[int, str] = {}


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # none of YAML 1.1's  # noqa: RUF012

    def compose_mapping_node(self, anchor: Any) -> Any:
        """Refuses a key that the mapping has already."""
        node, lines = super().compose_mapping_node(anchor), dict[str, int]()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.YAMLError(f"the key in line {line} is a list or a mapping")
            if key.value in lines:
                raise InputError(f"{self.name} has {key.value!r} twice, in line {lines[key.value]} and in line {line}: remove one of them")
            lines[key.value] = line
        return node


def _section(loader: _Loader, node: yaml.MappingNode) -> Iterator[Section]:
    section = Section(source=str(loader.name))
    yield section
    loader.flatten_mapping(node)
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        section[key] = loader.construct_object(value_node, deep=True)
        section.lines[key] = key_node.start_mark.line + 1
        _note_text(section.texts, key, value_node)


def _items(loader: _Loader, node: yaml.SequenceNode) -> Iterator[_Items]:
    items = _Items()
    yield items
    for index, value_node in enumerate(node.value):
        items.append(loader.construct_object(value_node, deep=True))
        _note_text(items.texts, index, value_node)


def _note_text(texts: dict[Any, str], key: Any, node: yaml.Node) -> None:
    if isinstance(node, yaml.ScalarNode) and (node.tag in {f"{_TAG}{kind}" for kind in ("bool", "int", "float")} or not node.value):
        texts[key] = node.value


for _kind, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(f"^(?:{_pattern})$"), list(_first))
_Loader.add_constructor(f"{_TAG}map", _section)
_Loader.add_constructor(f"{_TAG}seq", _items)


def read_yaml(path: Path) -> Any:
    """What a YAML file holds: mappings are `Section`s.

    Raises:
        InputError: There is no such file, it is no UTF-8 text or no YAML, has a key twice, or holds a merge conflict.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: run from the project's folder, or name the file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text (its byte {error.start} is not): save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}") from None
    if mark := _CONFLICT.search(text):
        line = text.count("\n", 0, mark.start()) + 1
        raise InputError(f"{path} has a merge conflict in line {line}: keep one side, and remove the lines of <<<<<<<, ======= and >>>>>>>")
    try:
        loader = _Loader(text)
        loader.name = str(path)
        return loader.get_single_data()
    except yaml.YAMLError as error:
        raise NotYamlError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise NotYamlError(f"{path} is not valid YAML of settings: it is nested too deep") from None


def value_of(text: str) -> Any:
    """The value that a person typed: a list, a mapping or a text in quotes as YAML reads them, else the whole text."""
    text = text.strip()
    if text[:1] not in tuple("[{\"'"):
        loader = _Loader("")
        tag = loader.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
        return text if tag == f"{_TAG}merge" else loader.construct_object(yaml.ScalarNode(tag, text))
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        return loader.construct_document(node) if node and node.end_mark.index == len(text) else text
    except (yaml.YAMLError, InputError, RecursionError):
        return text


def as_typed(values: Any, places: Sequence[Sequence[Any]]) -> Any:
    """A copy of values in which texts stand as they were typed.

    Args:
        values: A mapping.
        places: The keys and indices that lead to each value that is to be a text.

    Returns:
        The copy, or nothing where one of them was not typed as a number or a truth value.
    """
    values = copy.deepcopy(values)
    for *way, last in places:
        container = values
        try:
            for part in way:
                container = container[part]
            container[last] = container.texts[last]
        except (LookupError, TypeError, AttributeError):
            return None
    return values


def place_of(values: Any, way: Sequence[Any]) -> str:
    """Where a value stands, such as ` (params.yaml, line 12)`; empty where it was written into no file.

    Args:
        values: A mapping.
        way: The keys and indices that lead to the value; those that are none, such as a type's name, are passed over.
    """
    found = ""
    for part in way:
        if isinstance(values, Section) and part in values.lines:
            found = f" ({values.source}, line {values.lines[part]})"
        try:
            values = values[part]
        except (LookupError, TypeError):
            continue
    return found
