"""How columns are called, by what they mean; case, blanks and underscores don't count."""

import re
from collections.abc import Iterable

NAMELESS = "Unnamed: "  # begins the names that columns without a name get, as with pandas
PATHS = (  # noqa: SIM905
    "filename filenames fname file files filepath filepaths path paths relpath relativepath image images imagepath imagename imagefile "
    "imagefilename img imgpath imgname imgfile photo picture imageid imageindex imgid"
).split()
LABELS = (  # noqa: SIM905
    "label labels class classes classname classlabel classid labelname labelid category categoryid categories "
    "target targets tag tags finding findings findinglabels "
    "diagnosis dx species breed"
).split()
SEVERAL = {"labels", "classes", "categories", "targets", "tags", "findings", "findinglabels", "keywords"}  # of one image
GROUPS = "group groupid patient patientid subject subjectid product productid lesion lesionid case caseid".split()  # noqa: SIM905
SPLITS = "split splits givensplit givenset subset partition datasplit".split()  # noqa: SIM905
MAYBE_SPLITS = "set fold dataset part usage phase stage".split()  # noqa: SIM905  # they say a split only if a cell names one
ROW_NUMBERS = {"unnamed0", "unnamed00", "unnamed01", "index", "idx", "id", "row", "rowid", "rownumber", "number", "nr", "no", "indexlevel0"}
FLAGS = {
    "difficult", "truncated", "occluded", "verified", "reviewed", "checked", "confirmed", "corrected", "valid", "validated", "flag",
    "flagged", "crowd", "keep", "exclude", "excluded", "include", "included", "ignore", "ignored", "usable", "duplicate", "synthetic",
    "augmented", "train", "val", "test",
}  # fmt: skip
METADATA = {  # never labels
    "age", "patientage", "sex", "patientsex", "gender", "patientgender", "site", "hospital", "clinic", "device", "camera", "scanner",
    "view", "viewposition", "laterality", "side", "date", "time", "datetime", "timestamp", "year", "width", "height", "size", "bytes",
    "format", "source", "url", "author", "license", "licence", "location", "lat", "lon", "latitude", "longitude", "comment", "comments",
    "note", "notes", "md5", "sha1", "sha256", "hash", "followup", "followupnumber",
}  # fmt: skip
_MAYBE_GROUP = re.compile(
    "(patient|subject|participant|person|animal|donor|owner|client|study|series|slide|specimen|biopsy|plot|video|sequence|session|"
    "recording)s?(instance)?(name|no|nr|num|number|id|uid|key|code)?|mrn|accession(no|number)|medicalrecordnumber"
)
ROLES = {*PATHS, *LABELS, *GROUPS, *SPLITS, *MAYBE_SPLITS}


def plain_name(column: str) -> str:
    """A column's name without case, blanks, underscores and the like."""
    return re.sub(r"[\W_]", "", column.casefold())


def known(columns: Iterable[str], keys: Iterable[str]) -> list[str]:
    """The columns called by one of the keys, in the keys' order."""
    by_name: dict[str, list[str]] = {}
    for column in columns:
        by_name.setdefault(plain_name(column), []).append(column)
    return [column for key in keys for column in by_name.get(key, [])]


def may_be_group(column: str) -> bool:
    """Whether a column may say what stays in one split, as `Patient Name`, `slide_id` or `MRN` do, but is not certain to."""
    return bool(_MAYBE_GROUP.fullmatch(plain_name(column)))


def is_metadata(column: str) -> bool:
    """Whether a column is called as one that says something about an image, such as its site, its fold or a count."""
    return plain_name(column) in METADATA.union(MAYBE_SPLITS) or bool(re.match(r"(?i:n|num|number|count)[_ ]", column))


def is_flag(column: str) -> bool:
    """Whether a column of 0 and 1 is called as one that says something about an image, not what is in it."""
    return bool(re.match(r"(?i:is|has)[_\W]|(?:is|has)[A-Z]", column)) or plain_name(column) in FLAGS
