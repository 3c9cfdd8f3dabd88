"""What is to be removed, one thing each: planned first, so that a person can look at it, then carried out."""

from collections.abc import Callable
from dataclasses import dataclass

TOMBSTONE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>Removed</title></head>
<body style="font: 16px/1.5 system-ui, sans-serif; max-width: 60ch; margin: 4em auto; padding: 0 1em"><h1>Removed</h1>
<p>This page showed, or could show, an image that was to be forgotten: <code>darkroom data forget</code> removed it.
Measures, settings and the model of the run are kept.</p></body></html>
"""
GONE = "(forgotten)"  # stands in texts where the image was named
TEXTS = frozenset({".json", ".jsonl", ".log", ".txt", ".csv", ".md", ".yaml"})  # suffixes of what runs leave that may name an image


@dataclass(frozen=True)
class Removal:
    """One thing that is to be removed, or written anew without the images.

    Attributes:
        kind: What it is, such as `data`, `steps`, `vectors`.
        place: Where, for a person.
        do: Does it; a second time does nothing.
    """

    kind: str
    place: str
    do: Callable[[], object]
