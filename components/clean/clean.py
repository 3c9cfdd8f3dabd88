"""Clean: drops images that can't be used for training, ties those that show the same, and records every finding."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.clean.class_balance import TABLE_CHECKS, find_table_issues
from components.clean.config import CleanConfig
from components.clean.exact_duplicates import Copy, Row, find_copies
from components.clean.illustrations import illustrate
from components.clean.mislabelled import ACTIONS, MISLABELLED, judge_labels
from components.clean.mislabelled import Judged as JudgedLabels
from components.clean.odd_actions import act_on_odd_images
from components.clean.odd_images import ODD_CHECKS, SMALL, find_odd_images
from components.clean.people import CHECK as VERDICT
from components.clean.people import Judged, apply_verdicts
from components.clean.ties import DROP_PROPOSED, NEAR_DUPLICATE, SAME_THING, LookAlike, tie
from darkroom import issues as issue_table
from darkroom import manifest as manifests
from darkroom import proposals
from darkroom.embeddings import Embeddings
from darkroom.file_formats import undecoded_format
from darkroom.images import Images
from darkroom.issues import EXPECTED, Illustration
from darkroom.manifest import Manifest
from darkroom.notes import tell
from darkroom.scans import Scans, Unusable, read, scan_images
from darkroom.similarity.candidates import Projection
from darkroom.similarity.look_alikes import find_look_alikes, see
from darkroom.system.errors import InputError
from darkroom.system.files import whole
from darkroom.training.epochs import OnEpoch, nothing

CHECKS = (
    *("unreadable", "undecoded", "refused", "contradictory", "duplicate", NEAR_DUPLICATE, SAME_THING, MISLABELLED, SMALL),
    *ODD_CHECKS,
    *TABLE_CHECKS,
)
HARMLESS = ("duplicate", NEAR_DUPLICATE, SAME_THING)  # to drop or to tie them loses nothing
SAID = ("dropped", "tied", *(action for action in ACTIONS.values() if action != "flagged"))  # what a note counts


def clean(
    images: Path,
    manifest: Path,
    cleaned: Path,
    issues: Path,
    *,
    config: CleanConfig,
    embeddings: Path | None = None,
    checkpoints: Path | None = None,
    on_epoch: OnEpoch = nothing,
    store: Path | None = None,
) -> dict[str, float]:
    """Drops unreadable, refused, duplicate and contradictory images, ties those that show the same, and judges labels.

    Images that are tied share a `cluster`, named by the smallest `image_id` in it; so do images of equal pixels that are kept.
    Labels are judged by models of the other images; what follows from that is only proposed, see `darkroom.proposals`.

    Args:
        images: The packed images.
        manifest: A row a delivered file, from `ingest`.
        cleaned: Where the rows that are kept are written, with their `cluster`, their `pixel_hash`, their size as decoded and
            their `label_score`; `image_id` is unique in it.
        issues: Where the findings are written, a row each, the worst of each check with small pictures.
        config: What is dropped, what is tied and what is only flagged.
        embeddings: What `embed` made of the images; without, images are scanned here, look-alikes are found by thumbnails alone, and no
            label is judged.
        checkpoints: A folder for unfinished networks that judge labels (`label_model`), or none.
        on_epoch: Called after each epoch of these with its number and its measures.
        store: A folder in which vectors by which labels are judged are kept from run to run, or none.

    Returns:
        Files that were kept and dropped, and findings a check.

    Raises:
        InputError: No image is readable, fewer than two classes are left, a person's verdict can't be applied, networks are asked for
            that can't be trained on so few images, or the store can't be written.
    """
    delivered = manifests.read(manifest)
    if not len(delivered):  # as where there is no frozen evaluation set
        return _write(delivered, [], cleaned, issues, {}, 0)
    given, judged = delivered, apply_verdicts(delivered, config)
    delivered = judged.delivered
    scans, unusable = _scan(images, delivered, embeddings)
    findings = _left_out(delivered, unusable)
    if len(findings) == len(delivered):
        raise InputError(f"there is no readable image among the {len(delivered)} delivered: {findings[0]['path']} {findings[0]['detail']}")
    dropped = {finding["path"] for finding in findings}
    findings += _copies(delivered, scans, dropped, config, judged)
    dropped |= {finding["path"] for finding in findings if finding["action"] == "dropped"}
    kept = _kept(delivered, scans, dropped)
    _require_two_classes(delivered, kept, findings)
    vectors = Projection(Embeddings(embeddings)) if embeddings else None
    packed = Images(images)
    kept, look_alikes = _tied(kept, packed, vectors, config)
    labels = judge_labels(kept, vectors.embeddings if vectors else None, config, packed, checkpoints, on_epoch, store)
    kept, odd, common = _odd(labels.manifest, scans, vectors, config)
    findings = judged.silence([*findings, *look_alikes, *_label_findings(labels), *odd, *_table_issues(kept, config)])
    said, doubts = _describe(kept, findings)
    told = tell("clean", [*said, *labels.told, *common, *labels.skipped, *judged.notes], doubts + judged.warnings)
    kept = judged.without_proposals(replace(kept, notes=(*delivered.notes, *told)))
    num_dropped = len(dropped) + sum(finding["action"] == "dropped" for finding in judged.findings)
    findings = judged.findings + findings
    return _write(kept, findings, cleaned, issues, illustrate(findings, given, packed, config.num_pictures), num_dropped)


def _write(
    kept: Manifest, findings: list[dict[str, Any]], cleaned: Path, issues: Path, shown: dict[int, Illustration], num_dropped: int
) -> dict[str, float]:
    with whole(cleaned) as cleaned_draft, whole(issues) as issues_draft:
        kept.write(cleaned_draft)
        issue_table.write(issues_draft, findings, shown)
    counts = Counter(str(finding["check"]) for finding in findings)
    found = {f"num_{check}": float(counts[check]) for check in (VERDICT, *CHECKS)}
    return {"num_kept": float(len(kept)), "num_dropped": float(num_dropped), **found}


def _scan(images: Path, delivered: Manifest, embeddings: Path | None) -> tuple[Scans, dict[str, Unusable]]:
    """The scans of all images, of those that `embed` has not scanned made now, and why others have none, by `image_id`."""
    scans, made, unusable = read(embeddings) if embeddings else Scans(), list[pa.RecordBatch](), dict[str, Unusable]()
    names = dict.fromkeys(name for name in delivered.column("image_id") if name is not None)
    for rows, failed in scan_images(Images(images), [name for name in names if name not in scans]):
        made.append(rows)
        unusable |= failed
    return scans.together_with(made) if made else scans, unusable


def _not_packed(path: str) -> Unusable:
    """What is wrong with a file of which `ingest` packed nothing."""
    if undecoded := undecoded_format(path):
        return Unusable("undecoded", 0, str(undecoded))
    return Unusable("refused", 0, "the file is larger than ingest.max_file_mb")


def _left_out(delivered: Manifest, unusable: dict[str, Unusable]) -> list[dict[str, Any]]:
    """A finding for each file that has no picture."""
    findings = []
    for path, name in zip(delivered.column("path"), delivered.column("image_id"), strict=True):
        if why := unusable.get(name) if name else _not_packed(path):
            findings.append(_finding(path, name, why.check, float(why.num_bytes), "dropped", f"can't be used: {why.reason}"))
    return findings


def _copies(delivered: Manifest, scans: Scans, dropped: set[str], config: CleanConfig, judged: Judged) -> list[dict[str, Any]]:
    rows = [
        Row(path, name, scans.pixel_hash(name), labels, given_split)
        for path, name, labels, given_split in zip(
            delivered.column("path"), delivered.column("image_id"), delivered.label_sets(), delivered.column("given_split"), strict=True
        )
        if path not in dropped
    ]
    return [_copy_finding(copy) for copy in judged.spare(find_copies(rows, config.duplicates, config.contradictions), rows)]


def _copy_finding(copy: Copy) -> dict[str, Any]:
    action = "flagged" if copy.kept else "dropped"
    return _finding(copy.row.path, copy.row.image_id, copy.check, copy.score, action, copy.detail, copy.other)


def _finding(
    path: str | None, image_id: str | None, check: str, score: float, action: str, detail: str, other: str | None = None
) -> dict[str, Any]:
    return {"path": path, "image_id": image_id, "check": check, "score": score, "action": action, "detail": detail, "other": other}


def _tied(kept: Manifest, images: Images, vectors: Projection | None, config: CleanConfig) -> tuple[Manifest, list[dict[str, Any]]]:
    """The images with their `cluster`, and the findings; those of equal pixels count once, those below `min_tie_side_px` not at all."""
    hashes = kept.table["pixel_hash"].combine_chunks().dictionary_encode().indices.to_numpy()
    order = pc.array_sort_indices(kept.table["image_id"].combine_chunks()).to_numpy().astype(np.int64)
    first = np.empty(int(hashes.max()) + 1, np.int64)  # the row of the smallest `image_id` of each hash
    first[hashes[order[::-1]]] = order[::-1]
    names, sides = kept.column("image_id"), np.minimum(*(kept.table[side].to_numpy() for side in ("width", "height")))
    large = order[(first[hashes[order]] == order) & (sides[order] >= config.min_tie_side_px)]
    rows = [row for row in large.tolist() if vectors is None or names[row] in vectors]
    clusters = [names[row] for row in first.tolist()]
    found: list[LookAlike] = []
    if len(rows) > 1 and {config.near_duplicates, config.same_things} != {"off"}:
        compared = [names[row] for row in rows]
        min_correlation = min(config.min_same_thing, config.min_near_duplicate)
        seen = see(images, compared, vectors)
        pairs = find_look_alikes(seen, min_correlation, config.num_neighbours, config.min_detail_share, min_close_up=config.min_close_up)
        labels = kept.label_sets()
        tied, found = tie(pairs, compared, [labels[row] for row in rows], config)
        for code, name in zip(hashes[rows].tolist(), tied, strict=True):
            clusters[code] = name
    table = manifests.put_column(kept.table, "cluster", [clusters[code] for code in hashes.tolist()])
    if dropped := sorted(rows[one.row] for one in found if one.action == DROP_PROPOSED):
        table = proposals.propose(proposals.with_columns(table), np.array(dropped, np.int64), proposals.DROP, [[]] * len(dropped))
    findings, paths = [], kept.column("path")
    for one in found:
        other = None if one.other is None else paths[rows[one.other]]
        row = rows[one.row]
        findings.append(_finding(paths[row], names[row], one.check, one.score, one.action, one.detail.format(other=other), other))
    return replace(kept, table=table), sorted(findings, key=lambda finding: (CHECKS.index(finding["check"]), finding["path"]))


def _label_findings(judged: JudgedLabels) -> list[dict[str, Any]]:
    paths, names = judged.manifest.column("path"), judged.manifest.column("image_id")
    return [
        {**_finding(paths[one.row], names[one.row], MISLABELLED, one.score, one.action, one.detail), EXPECTED: list(one.expected)}
        for one in judged.findings
    ]


def _odd(kept: Manifest, scans: Scans, vectors: Projection | None, config: CleanConfig) -> tuple[Manifest, list[dict[str, Any]], list[str]]:
    """The manifest with what is done about odd images, the findings, and what is too common to be odd."""
    paths, names, labels = kept.column("path"), kept.column("image_id"), kept.label_sets()
    rows = scans.rows(names)
    found, common = find_odd_images(names, labels, scans.qualities[rows], scans.sizes[rows].astype(np.float64), vectors, config)
    kept, actions = act_on_odd_images(kept, found, labels, config)
    findings = [
        _finding(paths[one.row], names[one.row], one.check, one.score, action, one.detail)
        for one, action in zip(found, actions, strict=True)
    ]
    return kept, findings, common


def _table_issues(kept: Manifest, config: CleanConfig) -> list[dict[str, Any]]:
    """Findings about columns and classes, which have no path."""
    return [_finding(None, None, one.check, one.score, "flagged", one.detail) for one in find_table_issues(kept, kept.label_sets(), config)]


def _kept(delivered: Manifest, scans: Scans, dropped: set[str]) -> Manifest:
    table = delivered.table.filter(pa.array([path not in dropped for path in delivered.column("path")]))
    names = table["image_id"].to_pylist()
    sizes = scans.sizes[scans.rows(names)]
    hashes = [scans.pixel_hash(name) for name in names]
    for name, values in (("width", sizes[:, 0].tolist()), ("height", sizes[:, 1].tolist()), ("pixel_hash", hashes)):
        table = manifests.put_column(table, name, values)
    types = pa.schema([field.with_type(manifests.COLUMNS.get(field.name, field.type)) for field in table.schema])
    return replace(delivered, table=table.cast(types).combine_chunks())  # Parquet names the items of a list otherwise


def _require_two_classes(delivered: Manifest, kept: Manifest, findings: list[dict[str, Any]]) -> None:
    occurring = {label for labels in kept.label_sets() for label in labels}
    if len(occurring) < 2:
        left = f"only one class, {occurring.pop()!r}, is" if occurring else "no class is"
        raise InputError(
            f"{left} left of {', '.join(map(repr, delivered.classes))} after cleaning, which left out {len(delivered) - len(kept)} of "
            f"{len(delivered)} files (such as {findings[0]['path']}: {findings[0]['detail']}): at least two classes are needed"
            if findings
            else f"{left} used by the {len(kept)} files: at least two classes are needed"
        )


def _describe(kept: Manifest, findings: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """What is said of the findings, a sentence a check: of what is common, and of what is wrong with the data."""
    said: dict[str, str] = {}
    for check in (check for check in CHECKS if check not in ODD_CHECKS):
        found = [finding for finding in findings if finding["check"] == check and (finding["other"] or check != SAME_THING)]
        if found:
            actions = Counter(finding["action"] for finding in found)
            done = ", ".join(f"{actions[action]:,} {action}" for action in SAID if actions[action] or action == "dropped")
            first = f"{found[0]['path'] or ''} {found[0]['detail']}".strip()
            said[check] = f"{check}: {len(found):,} found, {done}, such as {first}"
    untied = [f"{one['path']} {one['detail']}" for one in findings if one["check"] == SAME_THING and not one["other"]]
    if len(untied) > 1:
        untied = [f"{len(untied):,} clusters are not tied, such as: {untied[0]}"]
    harmless = [*(said[check] for check in said if check in HARMLESS), *_describe_odd(findings)]
    return [f"{len(kept):,} files kept", *harmless], [
        *(said[check] for check in said if check not in HARMLESS),
        *untied,
    ]


def _describe_odd(findings: list[dict[str, Any]]) -> list[str]:
    """One sentence for all odd images, as most data have some."""
    found = [finding for finding in findings if finding["check"] in ODD_CHECKS]
    if not found:
        return []
    counts = Counter(str(finding["check"]) for finding in found)
    numbers = ", ".join(f"{counts[check]:,} {check}" for check in ODD_CHECKS if counts[check])
    actions = Counter(str(finding["action"]) for finding in found)
    numbers += "".join(f", {actions[action]:,} {action}" for action in SAID if actions[action])
    return [f"odd images: {numbers}, such as {found[0]['path']} {found[0]['detail']}"]
