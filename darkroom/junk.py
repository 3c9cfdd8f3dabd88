"""What lies in folders of images and is no data: hidden files, caches, thumbnails, bins, and documents about the data.

It is known by its name alone, so that nothing of it is opened: some of it may not be read.
"""

import re

SYSTEM_NAMES = frozenset(  # of operating systems and storage boxes, in lower case
    {
        *("__pycache__", "__macosx", "network trash folder", "temporary items", "icon\r"),
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "zbthumbnail.info", "picasa.ini"),
        *("$recycle.bin", "system volume information", "lost+found", "lost.dir", "trashbox", "_gsdata_"),
        *("@eadir", "@tmp", "@sharebin", "@recycle", "@recently-snapshot", "@__thumb", "#recycle", "#snapshot", "~snapshot"),
    }
)
DOCUMENT_SUFFIXES = frozenset({".md", ".rst", ".html", ".htm", ".py", ".ipynb", ".sh", ".log", ".dvc", ".part", ".crdownload"})
DOCUMENT_NAMES = frozenset({"readme", "license", "licence", "copying", "citation", "changelog", "makefile"})
_FOUND = re.compile(r"(?i)found\.[0-9]{3}")  # folders of a Windows disk that was repaired
_FOUND_LETTERS = len("found.000")
_DOCUMENTS = frozenset(name + suffix for name in DOCUMENT_NAMES for suffix in ("", ".txt", ".cff", ".bib"))


def is_junk(path: str) -> bool:
    """Whether a file is no data, by its own name or that of a folder that it lies in.

    Args:
        path: Its path in the data, with `/` between the parts.
    """
    parts = path.split("/")
    return any(map(is_system_name, parts)) or is_document(parts[-1])


def is_system_name(name: str) -> bool:
    """Whether a file or folder of this name was made by a system, and not by a person; hidden ones count among these."""
    return name.startswith((".", "~$")) or name.lower() in SYSTEM_NAMES or (len(name) == _FOUND_LETTERS and bool(_FOUND.fullmatch(name)))


def is_document(name: str) -> bool:
    """Whether a file of this name is about the data or the code, or is no whole file yet."""
    lower = name.lower()
    return lower[lower.rfind(".") :] in DOCUMENT_SUFFIXES or lower in _DOCUMENTS
