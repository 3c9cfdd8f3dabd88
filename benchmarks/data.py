"""How well `clean` finds copies and wrong labels that are made here: recall and precision.

`python benchmarks/data.py near-duplicates ../shared/data/weather4 ../shared/data/clothing_small/train`
`python benchmarks/data.py judged cifar10 pairs.csv` (pairs of files that people took for the same picture)
`python benchmarks/data.py signatures --numbers 10000 100000 1000000`
`python benchmarks/data.py mislabelled ../shared/data/weather4 ../shared/data/clothing_small`
`python benchmarks/data.py mislabelled cifar10/train --seeds 0 --set label_model=network`
`python benchmarks/data.py splits ../shared/data/weather4 ../shared/data/clothing_small ../shared/data/bccd_multilabel`
`python benchmarks/data.py speed cifar10/train --cleanvision other-venv/bin/python` (all checks, given the embeddings; and cleanvision)

1,000 pairs are copies, 50 of each kind; 1,000 are different pictures, each with the two most similar ones of its folder.
Of the labels, 9 % are moved to the next class, with three seeds.
Splits are made of the labels alone, with groups that are made up: of 1 to MAX_GROUP images of a class, or (several labels) of any.
"""

import argparse
import csv
import io
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from scipy.sparse import csr_array
from sklearn.model_selection import StratifiedGroupKFold

from components.clean.clean import clean
from components.clean.config import CleanConfig
from components.clean.mislabelled import judge_labels
from components.embed.config import EmbedConfig
from components.embed.embed import embed
from components.ingest.config import IngestConfig
from components.ingest.ingest import ingest
from darkroom import issues, manifest
from darkroom.embeddings import Embeddings
from darkroom.images import Images
from darkroom.similarity.signatures import similar_signatures
from darkroom.stratification import stratify_images
from darkroom.system.cores import num_cores, share_cores

NUM_PICTURES, NUM_COPIES = 500, 2  # of which each has copies of two kinds
MOVED, SEEDS = 0.09, (0, 1, 2)  # share of the labels
SHARES, MAX_GROUP = (0.7, 0.15, 0.15), 12  # of train, validation and test; images of a group
_TURN = Image.Transpose


def _resized(picture: Image.Image, factor: float) -> Image.Image:
    return picture.resize((max(1, round(picture.width * factor)), max(1, round(picture.height * factor))))


def _cropped(picture: Image.Image, left: float, upper: float, right: float, lower: float) -> Image.Image:
    """Without these shares of its sides."""
    width, height = picture.size
    return picture.crop((round(width * left), round(height * upper), round(width * (1 - right)), round(height * (1 - lower))))


def _shifted(picture: Image.Image) -> Image.Image:
    """Moved by 5 % of its sides, the rest filled with grey."""
    moved = Image.new("RGB", picture.size, (127, 127, 127))
    moved.paste(picture, (picture.width // 20, -picture.height // 20))
    return moved


def _marked(picture: Image.Image) -> Image.Image:
    """With a logo in a corner."""
    width, height = picture.size
    ImageDraw.Draw(picture).rectangle((width - width // 5, height - height // 7, width - 5, height - 5), fill=(250, 250, 0))
    return picture


def _compressed(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=25)
    return Image.open(file).convert("RGB")


KINDS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "compressed": _compressed,
    "smaller": lambda picture: _resized(picture, 0.4),
    "larger": lambda picture: _resized(picture, 1.5),
    "cropped by 10 %": lambda picture: _cropped(picture, 0.05, 0.04, 0.05, 0.06),
    "cropped at a corner": lambda picture: _cropped(picture, 0.1, 0.0, 0.0, 0.1),
    "shifted": _shifted,
    "turned by 5 degrees": lambda picture: picture.rotate(5, fillcolor=(127, 127, 127)),
    "turned by -3 degrees": lambda picture: picture.rotate(-3, fillcolor=(255, 255, 255)),
    "a quarter turn": lambda picture: picture.transpose(_TURN.ROTATE_90),
    "half a turn": lambda picture: picture.transpose(_TURN.ROTATE_180),
    "mirrored": ImageOps.mirror,
    "flipped": ImageOps.flip,
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.6),
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.4),
    "less contrast": lambda picture: ImageEnhance.Contrast(picture).enhance(0.5),
    "more contrast": lambda picture: ImageEnhance.Contrast(picture).enhance(1.5),
    "other colours": lambda picture: Image.merge("RGB", picture.split()[::-1]),
    "grey": lambda picture: ImageOps.grayscale(picture).convert("RGB"),
    "other exposure": lambda picture: picture.point([round(255 * (value / 255) ** 0.6) for value in range(256)] * 3),
    "with a logo": _marked,
}


def make_copies(sources: list[Path], target: Path) -> None:
    """Writes pictures of several folders of classes, evenly chosen, and their copies: `class/0001.jpg`, `class/0001-<kind>.jpg`."""
    files = [path for root in sources for path in sorted(root.rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
    chosen = [files[place] for place in np.linspace(0, len(files) - 1, NUM_PICTURES).astype(int)]
    for number, path in enumerate(chosen):
        picture = Image.open(path).convert("RGB")
        folder = target / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        picture.save(folder / f"{number:04d}.jpg", quality=92)
        for copy in range(NUM_COPIES):
            kind = (number * NUM_COPIES + copy) % len(KINDS)
            KINDS[list(KINDS)[kind]](picture.copy()).save(folder / f"{number:04d}-{kind:02d}.jpg", quality=80)


def compare_copies(sources: list[Path], place: Path) -> None:
    """Prints recall and precision by kind, of what `clean` calls near-duplicates and of what it ties."""
    make_copies(sources, place / "data")
    packed, delivered, vectors, cleaned, found = (place / name for name in ("images", "manifest", "embeddings", "cleaned", "issues"))
    ingest(place / "data", packed, delivered, config=IngestConfig())
    start = time.perf_counter()
    embed(packed, vectors, config=EmbedConfig())
    embedded = time.perf_counter()
    clean(packed, delivered, cleaned, found, config=CleanConfig(), embeddings=vectors)
    print(f"embed {embedded - start:.1f} s, clean {time.perf_counter() - embedded:.1f} s, {num_cores()} cores")
    _print_recall([row for row in issues.rows(found) if row["check"] in ("near_duplicate", "same_thing")])
    _print_negatives(manifest.read(cleaned), Embeddings(vectors))


def _print_recall(rows: list[dict[str, str]]) -> None:
    """Of each kind the share of copies that a finding relates to another file of the same picture."""
    for checks in (("near_duplicate",), ("near_duplicate", "same_thing")):
        pairs = [(row["path"], row["other"]) for row in rows if row["check"] in checks]
        right = {path for pair in pairs if _picture(pair[0]) == _picture(pair[1]) for path in pair}
        print(f"{' or '.join(checks)}: precision {np.mean([_picture(a) == _picture(b) for a, b in pairs]):.3f} of {len(pairs)}")
        for a, b in pairs:
            if _picture(a) != _picture(b):
                print(f"    {a} is no copy of {b}")
        hits, total = Counter[int](), Counter[int]()
        for copy in range(NUM_PICTURES * NUM_COPIES):
            number, kind = copy // NUM_COPIES, copy % len(KINDS)
            total[kind] += 1
            hits[kind] += any(PurePosixPath(path).stem == f"{number:04d}-{kind:02d}" for path in right)
        for kind, name in enumerate(KINDS):
            print(f"    recall {hits[kind] / total[kind]:.2f}  {name}")
        print(f"    recall {sum(hits.values()) / sum(total.values()):.3f} of all")


def _print_negatives(kept: manifest.Manifest, found: Embeddings) -> None:
    """How many pairs of different pictures, each with the two most similar ones of its class, are in one cluster."""
    rows = [row for row in kept.table.to_pylist() if "-" not in PurePosixPath(row["path"]).stem]
    vectors = found.of(row["image_id"] for row in rows)
    labels = np.array([row["label"] for row in rows])
    similarity = np.where(labels[:, None] == labels, vectors @ vectors.T, -1.0)
    np.fill_diagonal(similarity, -1.0)
    pairs = [(row, other) for row in range(len(rows)) for other in np.argsort(-similarity[row])[:2]]
    tied = sum(rows[a]["cluster"] == rows[b]["cluster"] for a, b in pairs)
    print(f"{tied} of {len(pairs)} pairs of different pictures of a class, the most similar ones, are tied")


def _picture(path: str) -> str:
    return PurePosixPath(path).stem.split("-")[0]


def count_judged(source: Path, table: Path, place: Path) -> None:
    """Prints which share of pairs that people took for the same picture is tied.

    Args:
        source: Data as `ingest` takes them.
        table: A CSV file with the columns `path` and `other`: a pair of files a row.
        place: An empty folder.
    """
    packed, delivered, vectors, cleaned, found = (place / name for name in ("images", "manifest", "embeddings", "cleaned", "issues"))
    ingest(source, packed, delivered, config=IngestConfig())
    embed(packed, vectors, config=EmbedConfig())
    with table.open(newline="", encoding="utf-8") as file:
        pairs = [(row["path"], row["other"]) for row in csv.DictReader(file)]
    for what, same_things in (("near_duplicate", "off"), ("near_duplicate or same_thing", "tie")):
        clean(packed, delivered, cleaned, found, config=CleanConfig(mislabelled="off", same_things=same_things), embeddings=vectors)
        kept = manifest.read(cleaned)
        clusters = dict(zip(kept.column("path"), kept.column("cluster"), strict=True))
        tied = sum(clusters.get(path, path) == clusters.get(other) for path, other in pairs)
        print(f"{what}: {tied} of {len(pairs)} pairs are tied ({tied / len(pairs):.3f})", flush=True)


def time_signatures(numbers: list[int]) -> None:
    """Prints how long it takes to find the pairs of similar signatures, a tenth of which are copies of others with a few bits changed."""
    for number in numbers:
        rng = np.random.default_rng(number)
        signatures = rng.integers(0, 2**64, number, dtype=np.uint64)
        flipped = np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 64, (number // 10, 6), dtype=np.uint64), axis=1)
        signatures[: len(flipped)] = rng.permutation(signatures[len(flipped) :])[: len(flipped)] ^ flipped
        start = time.perf_counter()
        pairs = similar_signatures(signatures)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{number:,} signatures: {len(pairs):,} pairs, {time.perf_counter() - start:.2f} s, at most {peak:.2f} GB in the process")


def compare_labels(source: Path, place: Path, seeds: Sequence[int], settings: dict[str, Any]) -> None:
    """Prints what is found in the data as it is, and the share of moved labels among as many findings, the worst by score.

    Args:
        source: Data of one label an image.
        place: An empty folder.
        seeds: One a draw of the labels that are moved.
        settings: Of `clean`.
    """
    packed, delivered, vectors, cleaned, found = (place / name for name in ("images", "manifest", "embeddings", "cleaned", "issues"))
    ingest(source, packed, delivered, config=IngestConfig())
    embed(packed, vectors, config=EmbedConfig())
    clean(packed, delivered, cleaned, found, config=CleanConfig(mislabelled="off"), embeddings=vectors)
    kept, embedded, images, config = manifest.read(cleaned), Embeddings(vectors), Images(packed), CleanConfig(**settings)
    start = time.process_time()
    judged = judge_labels(kept, embedded, config, images)
    number, seconds = len(judged.findings), time.process_time() - start
    print(f"{source}: {len(kept):,} images, {seconds:.1f} s of the processor; {number} ({number / len(kept):.1%}) found as they are")
    shares = [_share_found(kept, embedded, images, config, seed) for seed in seeds]
    for told in judged.told:
        print(f"    {told}")
    print(f"    {np.mean(shares):.3f} of the moved labels found, seeds {', '.join(f'{share:.3f}' for share in shares)}")


def _share_found(kept: manifest.Manifest, embedded: Embeddings, images: Images, config: CleanConfig, seed: int) -> float:
    """The share of moved labels among as many findings as there are moved labels."""
    moved = np.zeros(len(kept), bool)
    moved[np.random.default_rng(seed).choice(len(kept), int(MOVED * len(kept)), replace=False)] = True
    labels = [kept.classes[number] for number in (kept.targets() + moved) % len(kept.classes)]
    findings = judge_labels(replace(kept, table=manifest.put_column(kept.table, "label", labels)), embedded, config, images).findings
    return float(sum(moved[finding.row] for finding in findings[: moved.sum()]) / moved.sum())


def compare_splits(source: Path, place: Path, seeds: Sequence[int]) -> None:
    """Prints by how much the share of a class in a split differs at most from its share in all, and how many groups are astride.

    Beside it StratifiedGroupKFold of scikit-learn, of which one fold is tested on and one validated (a seventh each, as near to the
    shares as folds come; it knows one label an image, so of several all together), and iterative stratification of single images.
    """
    ingest(source, place / "images", place / "manifest", config=IngestConfig())
    table = manifest.read(place / "manifest")
    targets = table.targets()
    truth = targets if targets.ndim == 2 else np.eye(len(table.classes), dtype=np.int64)[targets]
    combined = np.unique(truth, axis=0, return_inverse=True)[1]
    results: dict[str, list[tuple[float, float, int]]] = {}
    for seed in seeds:
        groups = _made_up_groups(np.zeros_like(combined) if targets.ndim == 2 else combined, seed)
        folds = np.zeros(len(truth), np.int64)
        for fold, (_, rows) in enumerate(StratifiedGroupKFold(7, shuffle=True, random_state=seed).split(truth, combined, groups)):
            folds[rows] = fold
        labels, nothing = csr_array(truth), np.zeros((truth.shape[1] + 1, 3), np.int64)
        found = {
            "darkroom": stratify_images(labels, groups, nothing, np.array(SHARES), exclusive=targets.ndim == 1, seed=seed),
            "StratifiedGroupKFold": np.select([folds == 0, folds == 1], [2, 1], 0),
            "iterative stratification": _iterative(truth, seed),
        }
        for name, codes in found.items():
            splits = [truth[codes == split].mean(0) - truth.mean(0) for split in range(3)]
            sizes = np.abs(np.bincount(codes, minlength=3) / len(codes) - SHARES).max()
            astride = sum(len(np.unique(codes[groups == group])) > 1 for group in range(groups.max() + 1))
            results.setdefault(name, []).append((float(np.abs(splits).max()), float(sizes), astride))
    print(f"{source}: {len(truth):,} images, {truth.shape[1]} classes, groups of 1 to {MAX_GROUP}, mean of {len(seeds)} seeds")
    for name, rows in results.items():
        share, size, astride = np.mean(rows, axis=0)
        print(f"    {name}: class shares within {100 * share:.2f} percentage points, sizes {100 * size:.2f}; {astride:.0f} groups astride")


def _made_up_groups(strata: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Groups of 1 to MAX_GROUP images of a stratum each, `(N,) int64`."""
    rng, groups, first = np.random.default_rng(seed), np.zeros(len(strata), np.int64), 0
    for stratum in np.unique(strata).tolist():
        rows = rng.permutation(np.flatnonzero(strata == stratum))
        ends = np.cumsum(rng.integers(1, MAX_GROUP + 1, len(rows)))
        groups[rows] = first + np.searchsorted(ends, np.arange(len(rows)), side="right")
        first = int(groups[rows].max()) + 1
    return groups


def _iterative(truth: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Iterative stratification of single images, as published.

    Source: Sechidis, Tsoumakas, Vlahavas: On the Stratification of Multi-Label Data, ECML PKDD 2011, algorithm 1.
    """
    rng, codes = np.random.default_rng(seed), np.full(len(truth), -1, np.int64)
    wanted, sizes = truth.sum(0) * np.array(SHARES)[:, None], len(truth) * np.array(SHARES)
    while (codes < 0).any():
        left = truth[codes < 0].sum(0)
        if left.any():
            label = int(np.where(left > 0, left, len(truth) + 1).argmin())
            rows, needs = np.flatnonzero((codes < 0) & (truth[:, label] > 0)), wanted[:, label]
        else:
            rows, needs = np.flatnonzero(codes < 0), sizes
        for row in rows.tolist():
            best = np.flatnonzero(needs == needs.max())
            best = best[sizes[best] == sizes[best].max()]
            codes[row] = rng.choice(best)
            wanted[codes[row]] -= truth[row]
            sizes[codes[row]] -= 1
    return codes


def compare_speed(source: Path, place: Path, interpreter: str) -> None:
    """Prints how long all checks but those of labels take, and how long cleanvision takes for the same files.

    cleanvision is no dependency (its licence is the AGPL): it is looked for in the environment of the given interpreter.
    """
    packed, delivered, vectors, cleaned, found = (place / name for name in ("images", "manifest", "embeddings", "cleaned", "issues"))
    ingest(source, packed, delivered, config=IngestConfig())
    start, idle = time.perf_counter(), time.process_time()
    embed(packed, vectors, config=EmbedConfig())
    embedded, used = time.perf_counter(), time.process_time()
    clean(packed, delivered, cleaned, found, config=CleanConfig(mislabelled="off"), embeddings=vectors)
    seconds, busy = time.perf_counter() - embedded, time.process_time() - used
    print(f"embed {embedded - start:.1f} s ({used - idle:.1f} s of the processor), ", end="")
    print(f"clean {seconds:.1f} s ({busy:.1f} s of the processor, {num_cores()} cores)", flush=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run([interpreter, "-c", _CLEANVISION, str(source), str(num_cores())], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"cleanvision is not installed for {interpreter}: not compared ({done.stderr.strip().splitlines()[-1]})")
        return
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
    theirs = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"cleanvision {wall:.1f} s ({theirs:.1f} s of the processor, its imports among them): {wall / seconds:.1f} ", end="")
    print(f"times ours, {theirs / busy:.1f} times of the processor")


_CLEANVISION = """
import sys
from cleanvision import Imagelab
Imagelab(data_path=sys.argv[1]).find_issues(n_jobs=int(sys.argv[2]), verbose=False)
"""


def main() -> None:
    """Prints the figures."""
    share_cores()  # as every step
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    commands.add_parser("near-duplicates").add_argument("sources", type=Path, nargs="+", help="folders with images at any depth")
    commands.add_parser("signatures").add_argument("--numbers", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    judged = commands.add_parser("judged")
    judged.add_argument("source", type=Path, help="data as ingest takes them")
    judged.add_argument("pairs", type=Path, help="a CSV file with the columns path and other: what people took for the same picture")
    mislabelled = commands.add_parser("mislabelled")
    mislabelled.add_argument("sources", type=Path, nargs="+", help="data of one label an image")
    mislabelled.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    mislabelled.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="settings of clean, such as label_model=network")
    splits = commands.add_parser("splits")
    splits.add_argument("sources", type=Path, nargs="+", help="data as ingest takes them")
    splits.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    speed = commands.add_parser("speed")
    speed.add_argument("source", type=Path, help="data as ingest takes them")
    speed.add_argument("--cleanvision", default=sys.executable, help="the Python of an environment that has cleanvision")
    options = parser.parse_args()
    if options.what == "signatures":
        time_signatures(options.numbers)
        return
    if options.what == "mislabelled":
        for source in options.sources:
            with tempfile.TemporaryDirectory() as folder:
                compare_labels(source, Path(folder), options.seeds, dict(one.split("=", 1) for one in options.set))
        return
    if options.what == "splits":
        for source in options.sources:
            with tempfile.TemporaryDirectory() as folder:
                compare_splits(source, Path(folder), options.seeds)
        return
    with tempfile.TemporaryDirectory() as folder:
        if options.what == "speed":
            compare_speed(options.source, Path(folder), options.cleanvision)
        elif options.what == "judged":
            count_judged(options.source, options.pairs, Path(folder))
        else:
            compare_copies(options.sources, Path(folder))


if __name__ == "__main__":
    main()
