"""What `clean` finds in data as they are, as pictures to look at: what is not odd, not alike or not wrong there is a false alarm.

`python benchmarks/findings.py ../shared/data/clothing_small --sheets sheets --count 300`

Prints the share that each check finds, and writes a sheet a check; of many findings, evenly chosen ones by score, so many in all. Beside an
image stands the one that it is said to be like; below, its number, its label, and what is said of it.
"""

import argparse
import tempfile
import textwrap
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from components.clean.clean import clean
from components.clean.config import CleanConfig
from components.embed.config import EmbedConfig
from components.embed.embed import embed
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom import issues, manifest
from darkroom.images import Images
from darkroom.pixels import decode

PICTURE_PX, TEXT_PX, ACROSS = 120, 44, 10
_SILENT = frozenset({"duplicate", "unreadable", "undecoded", "refused", "small"})  # certain, or nothing to be seen

Finding = Mapping[str, Any]


def chosen(rows: Sequence[Finding], count: int) -> dict[str, list[Finding]]:
    """Findings by check, the worst first: so many in all, of each check as large a part, one at least."""
    by_check: dict[str, list[Finding]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (-row["score"], row["path"] or "")):
        if row["image_id"] and row["check"] not in _SILENT:
            by_check[row["check"]].append(row)
    part = min(1.0, count / max(1, sum(map(len, by_check.values()))))
    return {
        check: [found[place] for place in np.unique(np.linspace(0, len(found) - 1, max(1, round(part * len(found)))).astype(int))]
        for check, found in by_check.items()
    }


def draw(found: Sequence[Finding], images: Images, ids: Mapping[str, str], sheet: Path) -> None:
    """Writes findings as one picture."""
    tile = (2 if any(row["other"] in ids for row in found) else 1) * PICTURE_PX
    across = max(1, ACROSS * PICTURE_PX // tile)
    page = Image.new("RGB", (across * tile, -(-len(found) // across) * (PICTURE_PX + TEXT_PX)), "white")
    text = ImageDraw.Draw(page)
    for number, row in enumerate(found):
        left, top = number % across * tile, number // across * (PICTURE_PX + TEXT_PX)
        for place, name in enumerate([row["image_id"], *([ids[row["other"]]] if row["other"] in ids else [])]):
            page.paste(ImageOps.contain(decode(images[name]), (PICTURE_PX - 4, PICTURE_PX - 4)), (left + place * PICTURE_PX, top))
        said = textwrap.wrap(f"{number} {row['score']:.2f} {Path(row['path']).parent.name}: {row['detail']}", tile // 5)[:4]
        text.multiline_text((left, top + PICTURE_PX - 2), "\n".join(said), "black", font_size=9, spacing=1)
    page.save(sheet)


def main(source: Path, sheets: Path, count: int, store: Path | None) -> None:
    """Prints the shares and writes the sheets."""
    sheets.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        packed, delivered, vectors, cleaned, found = (
            Path(folder) / name for name in ("images", "manifest", "embeddings", "cleaned", "issues")
        )
        ingest(source, packed, delivered, config=IngestConfig())
        embed(packed, vectors, config=EmbedConfig(), store=store)
        clean(packed, delivered, cleaned, found, config=CleanConfig(), embeddings=vectors)
        rows, table, number = issues.rows(found), manifest.read(delivered), len(manifest.read(cleaned))
        ids = dict(zip(table.column("path"), table.column("image_id"), strict=True))
        for check, shown in sorted(chosen(rows, count).items()):
            total = sum(row["check"] == check for row in rows)
            print(f"{check}: {total:,} of {number:,} ({total / number:.2%}), {len(shown)} shown", flush=True)
            draw(shown, Images(packed), ids, sheets / f"{source.name}-{check}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="data as ingest takes them")
    parser.add_argument("--sheets", type=Path, default=Path("sheets"), help="folder for the sheets")
    parser.add_argument("--count", type=int, default=300, help="findings that are shown, about")
    parser.add_argument("--store", type=Path, help="folder in which vectors are kept from one time to the next")
    options = parser.parse_args()
    main(options.source, options.sheets, options.count, options.store)
