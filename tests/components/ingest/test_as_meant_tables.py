"""Tables as people have them are read as they were meant, which is said, or are refused with the setting that decides."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from darkroom.system.errors import InputError
from tests.layouts import SIX, by_path, draw, ingested, labelled, lay, table

CAT_DOG = dict(zip(SIX, ["cat", "dog"] * 3, strict=True))


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


KINDS = ("cat", "dog")
ORDER = [3, 0, 5, 1, 4, 2]
ONE_HOT = [("1", "0", "0"), ("0", "1", "0"), ("0", "0", "1")]
MANY_HOT = [("1", "0", "0"), ("1", "1", "0"), ("0", "0", "0")]
LISTS = {SIX[n]: ("cat", "cat|dog", "bird|dog")[n % 3] for n in range(6)}
JOINED = {SIX[n]: ("cat", "cat|dog", "bird|dog", "bird")[n % 4] for n in range(6)}

READ = {
    "a column of row numbers of pandas": (
        {"t.csv": table("Unnamed: 0,fname,label", lambda n, p: (ORDER[n], p, KINDS[n % 2]))},
        {},
        CAT_DOG,
    ),
    "an index column without a name": ({"t.csv": table(",picture,label", lambda n, p: (ORDER[n], p, KINDS[n % 2]))}, {}, CAT_DOG),
    "an id beside a column of an unknown name": (
        {"t.csv": table("id;scan;label", lambda n, p: (ORDER[n], p, KINDS[n % 2]), ";")},
        {},
        CAT_DOG,
    ),
    "numbers called image_id beside file names": (
        {"t.csv": table("image_id,file,label", lambda n, p: (ORDER[n], p, KINDS[n % 2]))},
        {},
        CAT_DOG,
    ),
    "an id alone names files": ({"t.csv": table("id,label", lambda n, p: (n, KINDS[n % 2]))}, {}, CAT_DOG),
    "path_column decides": ({"t.csv": table("a,b,label", lambda n, p: (p, SIX[ORDER[n]], KINDS[n % 2]))}, {"path_column": "a"}, CAT_DOG),
    **{
        f"paths that begin with {folder}": ({"t.csv": table("path,label", lambda n, p, f=folder: (f + p, KINDS[n % 2]))}, {}, CAT_DOG)
        for folder in (
            "/home/ann/pets/",
            "C:\\data\\pets\\",
            "s3://bucket/pets/",
            "https://host/pets/",
            "../input/pets/",
            "~/pets/",
            "file:///pets/",
        )
    },
    "no header": ({"t.csv": labelled(KINDS).partition("\n")[2]}, {}, CAT_DOG),
    "no header, names without endings": ({"t.csv": table("", lambda n, p: (n, KINDS[n % 2])).lstrip()}, {}, CAT_DOG),
    "no header, tabs, label first": ({"t.tsv": table("", lambda n, p: (KINDS[n % 2], p), "\t").lstrip("\n")}, {}, CAT_DOG),
    "-1 read as told": (
        {"t.csv": table("filename,x,y,z", lambda n, p: (p, *[("1", "0", "-1"), ("0", "1", "1"), ("0", "1", "0")][n % 3]))},
        {"uncertain": "positive"},
        {SIX[n]: ("x|z", "y|z", "y")[n % 3] for n in range(6)},
    ),
    "rows with -1 left out as told": (
        {"t.csv": table("filename,x,y", lambda n, p: (p, *[("1.0", "-1.0"), ("1.0", "1.0"), ("0.0", "1.0")][n % 3]))},
        {"uncertain": "drop"},
        {SIX[n]: ("", "x|y", "y")[n % 3] for n in range(6) if n % 3},
    ),
    "1 and blanks": (
        {"t.csv": table("filename,x,y", lambda n, p: (p, *[("1", ""), ("1", "1"), ("", "")][n % 3]))},
        {},
        {SIX[n]: ("x", "x|y", "")[n % 3] for n in range(6)},
    ),
    "1 and -1": (
        {"t.csv": table("filename,x,y", lambda n, p: (p, *[("1", "-1"), ("1", "1"), ("-1", "-1")][n % 3]))},
        {},
        {SIX[n]: ("x", "x|y", "")[n % 3] for n in range(6)},
    ),
    "yes and no": (
        {"t.csv": table("filename,x,y", lambda n, p: (p, *[("Yes", "no"), ("yes", "YES"), ("no", "No")][n % 3]))},
        {},
        {SIX[n]: ("x", "x|y", "")[n % 3] for n in range(6)},
    ),
    **{
        f"{yes} and {no or 'blank'}{' as told' if told else ''}": (
            {"t.csv": table("filename,x,y", lambda n, p, y=yes, m=no: (p, *[(y, m), (y, y), (m, m)][n % 3]))},
            {"label_columns": ("x", "y")} if told else {},
            {SIX[n]: ("x", "x|y", "")[n % 3] for n in range(6)},
        )
        for yes, no in (("x", ""), ("X", ""), ("Y", "N"), ("y", "n"), ("y", ""), ("T", "F"), ("TRUE", "FALSE"), ("yes", "no"))
        for told in (False, True)
    },
    "a label that is never set, in letters": (
        {"t.csv": table("filename,x,y,z", lambda n, p: (p, *[("T", "F", "F"), ("F", "T", "F")][n % 2]))},
        {"label_columns": ("x", "y", "z")},
        {SIX[n]: "xy"[n % 2] for n in range(6)},
    ),
    "crosses beside a label": (
        {"t.csv": table("filename,label,blurred,dark", lambda n, p: (p, KINDS[n % 2], "x" * (n % 3 == 0), "x" * (n > 3)))},
        {},
        CAT_DOG,
    ),
    "letters of another meaning": (
        {"t.csv": table("filename,x,y,geschlecht,tissue", lambda n, p: (p, *ONE_HOT[n % 2][:2], "FM"[n % 2], "TN"[n // 3]))},
        {},
        {SIX[n]: "xy"[n % 2] for n in range(6)},
    ),
    "counts beside a label": ({"t.csv": table("filename,label,boxes,dogs", lambda n, p: (p, KINDS[n % 2], n, n % 3))}, {}, CAT_DOG),
    "thousands": ({"t.csv": labelled(('"1,000"', '"2,000"'))}, {}, {SIX[n]: ("1,000", "2,000")[n % 2] for n in range(6)}),
    "UTF-16 without a mark": ({"t.csv": labelled(KINDS).encode("utf-16-le")}, {}, CAT_DOG),
    "a few numbers with decimals": (
        {"t.csv": labelled(("1.0", "1.5", "2.0"))},
        {},
        {SIX[n]: ("1", "1.5", "2")[n % 3] for n in range(6)},
    ),
    "JSON lists": (
        {"t.csv": table("filename,labels", lambda n, p: (p, quoted(('["cat"]', '["cat", "dog"]', '["dog", "bird"]')[n % 3])))},
        {},
        LISTS,
    ),
    "numpy lists": (
        {"t.csv": table("filename,labels", lambda n, p: (p, ("['cat']", "['cat' 'dog']", "['dog' 'bird']")[n % 3]))},
        {},
        LISTS,
    ),
    "Python lists": (
        {"t.tsv": table("filename\tlabel", lambda n, p: (p, ("['cat']", "['cat', 'dog']", "['dog', 'bird']")[n % 3]), "\t")},
        {},
        LISTS,
    ),
    "lists of a database": (
        {"t.csv": table("filename;labels", lambda n, p: (p, ("{cat}", "{cat,dog}", "{dog,bird}")[n % 3]), ";")},
        {},
        LISTS,
    ),
    "lists with bars": ({"t.csv": table("filename,labels", lambda n, p: (p, ("[cat]", "[cat|dog]", "[dog|bird]")[n % 3]))}, {}, LISTS),
    "quoted lists with semicolons": (
        {"t.csv": table("filename,labels", lambda n, p: (p, ("['cat']", "['cat'; 'dog']", "['dog'; 'bird']")[n % 3]))},
        {},
        LISTS,
    ),
    "names with hyphens": (
        {"t.csv": labelled(("t-shirt", "t-rex", "hat"))},
        {},
        {SIX[n]: ("t-shirt", "t-rex", "hat")[n % 3] for n in range(6)},
    ),
    **{
        f"parts that stand alone, told to be several by {told!r}": (
            {"t.csv": labelled(("sand", "sand and dog", "dog"))},
            {"separator": told},
            {SIX[n]: ("sand", "dog|sand", "dog")[n % 3] for n in range(6)},
        )
        for told in (" and ", "and")
    },
    "lists of one label": ({"t.csv": table("filename,label", lambda n, p: (p, f"['{KINDS[n % 2]}']"))}, {}, CAT_DOG),
    "joined by blanks": ({"t.csv": labelled(("cat", "cat dog", "dog bird", "bird"), "filename,labels")}, {}, JOINED),
    "joined by commas": ({"t.csv": labelled(("cat", '"cat, dog"', '"dog, bird"', "bird"))}, {}, JOINED),
    "joined by semicolons": ({"t.csv": labelled(("cat", "cat; dog", "dog; bird", "bird"))}, {}, JOINED),
    "joined by a slash": ({"t.csv": labelled(("cat", "cat/dog", "dog/bird", "bird"), "filename,tags")}, {}, JOINED),
    "semicolons at the end": ({"t.csv": labelled(("cat", "dog;", "cat;", "dog"))}, {}, CAT_DOG),
    "parts that come again between semicolons": (
        {"t.csv": labelled(("cat;dog", "dog;owl", "cat;owl"))},
        {},
        {SIX[n]: ("cat|dog", "dog|owl", "cat|owl")[n % 3] for n in range(6)},
    ),
    "decimal commas in every cell": (
        {"t.csv": table("filename;label", lambda n, p: (p, ("0,0", "1,0")[n % 2]), ";")},
        {},
        {SIX[n]: ("0", "1")[n % 2] for n in range(6)},
    ),
    "-1 is told to be a class": (
        {"t.csv": labelled(("0", "1", "-1"))},
        {"label_column": "label"},
        {SIX[n]: ("0", "1", "-1")[n % 3] for n in range(6)},
    ),
    "1.0 beside words is a word": (
        {"t.csv": labelled(("1.0", "1", "two"))},
        {},
        {SIX[n]: ("1.0", "1", "two")[n % 3] for n in range(6)},
    ),
    "names of two words": (
        {"t.csv": labelled(("tabby cat", "great dane"), "filename,breed")},
        {},
        {path: {"cat": "tabby cat", "dog": "great dane"}[kind] for path, kind in CAT_DOG.items()},
    ),
    "names that share a word": (
        {"t.csv": labelled(("American Crow", "Fish Crow", "Mallard"), "filename,species")},
        {},
        {SIX[n]: ("American Crow", "Fish Crow", "Mallard")[n % 3] for n in range(6)},
    ),
    "unclear parts, told to be one label": (
        {"t.csv": labelled(('"shirt, red"', '"shirt, blue"', '"hat, red"', '"hat, blue"'), "filename,labels")},
        {"separator": "none"},
        {SIX[n]: ("shirt, red", "shirt, blue", "hat, red", "hat, blue")[n % 4] for n in range(6)},
    ),
    "unclear parts, told to be several": (
        {"t.csv": labelled(("red shirt", "blue shirt", "red hat", "blue hat"))},
        {"separator": "blank"},
        {SIX[n]: ("red|shirt", "blue|shirt", "hat|red", "blue|hat")[n % 4] for n in range(6)},
    ),
    "is_valid beside one-hot columns": (
        {"t.csv": table("filename,cat,dog,is_valid", lambda n, p: (p, *ONE_HOT[n % 2][:2], int(n > 3)))},
        {},
        CAT_DOG,
    ),
    "a flag beside one-hot columns": (
        {"t.csv": table("filename,cat,dog,difficult", lambda n, p: (p, *ONE_HOT[n % 2][:2], int(n > 3)))},
        {},
        CAT_DOG,
    ),
    "a flag beside labels": (
        {"t.csv": table("filename,label,verified,truncated", lambda n, p: (p, KINDS[n % 2], n // 3, n % 2))},
        {},
        CAT_DOG,
    ),
    "columns about images in 0 and 1": (
        {"t.csv": table("filename,cat,dog,sex,fold,n_boxes", lambda n, p: (p, *MANY_HOT[n % 3][:2], n // 3, n % 2, n % 2))},
        {},
        {SIX[n]: ("cat", "cat|dog", "")[n % 3] for n in range(6)},
    ),
    "label_columns decide": (
        {"t.csv": table("filename,cat,dog,owl,difficult", lambda n, p: (p, *MANY_HOT[n % 3], n // 3))},
        {"label_columns": ("cat", "dog")},
        {SIX[n]: ("cat", "cat|dog", "")[n % 3] for n in range(6)},
    ),
    "nan is no label": (
        {"t.csv": labelled(("cat", "nan", "dog"))},
        {},
        {SIX[n]: ("cat", "", "dog")[n % 3] for n in range(6) if n % 3 != 1},
    ),
    "plus and minus are the labels of a test": ({"t.csv": labelled(("+", "-"))}, {}, {SIX[n]: "+-"[n % 2] for n in range(6)}),
    "labels joined by an ampersand": (
        {"t.csv": labelled(("cat", "cat & dog", "dog"))},
        {},
        {SIX[n]: ("cat", "cat|dog", "dog")[n % 3] for n in range(6)},
    ),
    "addresses with questions, and blanks written as in addresses": (
        {"t.csv": table("url,label", lambda n, p: (f"https://pets.example/a%20b/{p}?size=3#x", KINDS[n % 2]))},
        {},
        CAT_DOG,
    ),
    "addresses of files": (
        {"t.csv": table("path,label", lambda n, p: (f"file:///other/a%20b/{p}", KINDS[n % 2]))},
        {},
        CAT_DOG,
    ),
    "nan is told to be one": (
        {"t.csv": labelled(("cat", "nan", "dog"))},
        {"missing_words": "label"},
        {SIX[n]: ("cat", "nan", "dog")[n % 3] for n in range(6)},
    ),
    "None is told to be none": (
        {"t.csv": labelled(("cat", "None", "dog"))},
        {"missing_words": "missing"},
        {SIX[n]: ("cat", "", "dog")[n % 3] for n in range(6) if n % 3 != 1},
    ),
    "1.0 is 1": ({"t.csv": labelled(("1.0", "2", "1", "2.0"))}, {}, {SIX[n]: ("1", "2")[n % 2] for n in range(6)}),
    "empty last rows and columns": (
        {"t.csv": b"\xef\xbb\xbf" + table("filename;label;;", lambda n, p: (p, KINDS[n % 2], "", ""), ";").encode() + b";;;\r\n" * 3},
        {},
        CAT_DOG,
    ),
    "rows of blanks": ({"t.csv": labelled(KINDS) + " , \n,\n"}, {}, CAT_DOG),
    "Excel's first line": ({"t.csv": "sep=;\r\n" + table("filename;label", lambda n, p: (p, KINDS[n % 2]), ";")}, {}, CAT_DOG),
    "pipes": ({"t.csv": table("filename|label", lambda n, p: (p, KINDS[n % 2]), "|")}, {}, CAT_DOG),
    "semicolons, and commas in labels": (
        {"t.csv": table("filename;label", lambda n, p: (p, ("cat, small", "dog")[n % 2]), ";")},
        {"separator": "none"},
        {path: kind.replace("cat", "cat, small") for path, kind in CAT_DOG.items()},
    ),
    "paths from above the data": ({"t.csv": table("path,label", lambda n, p: (f"photos/{p}", KINDS[n % 2]))}, {}, CAT_DOG),
    "paths of Windows from another machine": (
        {"t.csv": table("path,label", lambda n, p: (rf"D:\mine\photos\{p}", KINDS[n % 2]))},
        {},
        CAT_DOG,
    ),
    "paths with dots": ({"t.csv": table("path,label", lambda n, p: (f"./x/../{p}", KINDS[n % 2]))}, {}, CAT_DOG),
    "other case": ({"t.csv": table("path,label", lambda n, p: (f"{n}.PNG", KINDS[n % 2]))}, {}, CAT_DOG),
    "a last column without a name in a few rows": (
        {"t.csv": "filename;label;\n" + "".join(f"{p};{CAT_DOG[p]}\n" for p in SIX)},
        {},
        CAT_DOG,
    ),
    "names like 1.0": ({"t.csv": table("id,label", lambda n, p: (f"{n}.0", KINDS[n % 2]))}, {}, CAT_DOG),
    "numbers of classes in a cell": (
        {"t.csv": labelled(("0", "16 0", "7 1 0"), "Id,Target")},
        {"path_column": "Id"},
        {SIX[n]: ("0", "0|16", "0|1|7")[n % 3] for n in range(6)},
    ),
    "a column of other words for splits": (
        {"t.csv": table("filename,label,phase2", lambda n, p: (p, KINDS[n % 2], ("train", "val")[n // 3]))},
        {},
        CAT_DOG,
    ),
    "words apart by blanks": ({"t.csv": table("filename label", lambda n, p: (p, KINDS[n % 2]), " ")}, {}, CAT_DOG),
    "decimal commas": (
        {"t.csv": table("filename;label", lambda n, p: (p, ("1,0", "2,0")[n % 2]), ";")},
        {"separator": "none"},
        {SIX[n]: ("1", "2")[n % 2] for n in range(6)},
    ),
    "labels that are names of files, too": (
        {"t.csv": table("key,label", lambda n, p: (n, n % 2))},
        {},
        {SIX[n]: "01"[n % 2] for n in range(6)},
    ),
    "JSON Lines": ({"t.jsonl": "".join(f'{{"file_name": "{path}", "label": "{kind}"}}\n' for path, kind in CAT_DOG.items())}, {}, CAT_DOG),
}


@pytest.mark.parametrize(("texts", "settings", "labels"), READ.values(), ids=READ)
def test_a_table_is_read_as_it_was_meant(tmp_path, texts, settings, labels):
    assert by_path(ingested(lay(tmp_path / "photos", SIX, texts), **settings)) == labels


REFUSED = {
    "two columns name files": (
        {"t.csv": table("left,right,label", lambda n, p: (p, SIX[ORDER[n]], KINDS[n % 2]))},
        {},
        ("left", "right", "ingest.path_column"),
    ),
    "two columns called path": (
        {"t.csv": table("image,path,label", lambda n, p: (p, SIX[ORDER[n]], KINDS[n % 2]))},
        {},
        ("image", "path", "ingest.path_column"),
    ),
    "no header and three columns": ({"t.csv": table("", lambda n, p: (p, KINDS[n % 2], n)).lstrip()}, {}, ("t.csv", "header")),
    "no header and columns of 0 and 1": ({"t.csv": table("", lambda n, p: (p, *ONE_HOT[n % 3])).lstrip()}, {}, ("t.csv", "header")),
    "no header and a first file that is missing": ({"t.csv": "gone,cat\n" + labelled(KINDS).partition("\n")[2]}, {}, ("t.csv", "header")),
    "-1 among 0 and 1": ({"t.csv": table("filename,x,y", lambda n, p: (p, n % 2, n % 3 - 1))}, {}, ("'y'", "-1", "ingest.uncertain")),
    "a word among 0 and 1": (
        {"t.csv": table("filename,x,y", lambda n, p: (p, n % 2, ("0", "1", "0", "1", "n/k", "1")[n]))},
        {},
        ("'y'", "'n/k'", "ingest.label_columns"),
    ),
    "a decimal comma among 0 and 1": (
        {"t.csv": table("filename;x;y", lambda n, p: (p, n % 2, ("0", "1", "0", "1", "2,5", "1")[n]), ";")},
        {},
        ("'y'", "'2,5'", "ingest.label_columns"),
    ),
    "2 among 0 and 1": (
        {"t.csv": table("filename,x,y,z", lambda n, p: (p, n % 2, n % 3, n // 3))},
        {},
        ("'y'", "2", "ingest.label_columns"),
    ),
    "shares among 0 and 1": (
        {"t.csv": table("filename,x,y", lambda n, p: (p, n % 2, (0, 1, 0.25, 0.75)[n % 4]))},
        {},
        ("'y'", "0.25", "ingest.uncertain"),
    ),
    "numbers called image_id beside names with endings": (
        {"t.csv": table("image_id,pic,label", lambda n, p: (ORDER[n], p, KINDS[n % 2]))},
        {},
        ("image_id", "pic", "ingest.path_column"),
    ),
    "a question mark among 0 and 1": (
        {"t.csv": table("filename,x,y", lambda n, p: (p, n % 2, "01?"[n % 3]))},
        {},
        ("'y'", "?", "ingest.uncertain"),
    ),
    "blanks among 0 and 1": (
        {"t.csv": table("filename,x,y", lambda n, p: (p, n % 2, ("0", "1", "")[n % 3]))},
        {},
        ("'y'", "empty", "ingest.unmarked"),
    ),
    "NaN among true and false": (
        {"t.csv": table("filename,x,y", lambda n, p: (p, n % 2 == 0, ("True", "False", "NaN")[n % 3]))},
        {},
        ("'y'", "NaN", "ingest.unmarked"),
    ),
    "-1 in the only column": (
        {"t.csv": table("filename,broken", lambda n, p: (p, n % 3 - 1))},
        {},
        ("'broken'", "-1", "ingest.label_column"),
    ),
    "-1 beside 0 and 1 in a column called label": ({"t.csv": labelled(("0", "1", "-1"))}, {}, ("'label'", "-1", "ingest.label_column")),
    "unknown beside yes and no": ({"t.csv": labelled(("yes", "no", "unknown"))}, {}, ("'label'", "unknown", "ingest.label_column")),
    **{
        f"{words} in columns that label_columns names": (
            {"t.csv": table("filename,x,y", lambda n, p, w=words: (p, w.split()[n % 3], w.split()[(n + 1) % 3]))},
            {"label_columns": ("x", "y")},
            ("'x'", "write 0 and 1", "ingest.label_columns"),
        )
        for words in ("cat dog owl", "T N T", "x y x", "Y F Y")
    },
    "letters among 0 and 1": (
        {"t.csv": table("filename,x,y", lambda n, p: (p, n % 2, "0101x1"[n]))},
        {},
        ("'y'", "'x'", "ingest.label_columns"),
    ),
    "unsure among Y and N": (
        {"t.csv": table("filename,x,y", lambda n, p: (p, "YN"[n % 2], "YNU"[n % 3]))},
        {},
        ("'y'", "U", "ingest.uncertain"),
    ),
    **{
        f"measured numbers such as {cell}": (
            {
                "t.csv": table(
                    f"filename;{name}", lambda n, p, c=cell: (p, c.format(n % 11)), ";", [*SIX, *(f"{n}.png" for n in range(6, 24))]
                )
            },
            {},
            (name, "measured", "ingest.label_column"),
        )
        for cell in ("0.{}5", "0,{}5", "1e-{}", "-{}.25", "{}.5 %", "{}.5°")
        for name in ("label", "score")
        if "e" not in cell
    },
    "texts that never repeat": (
        {"t.jsonl": "".join(f'{{"file_name": "{path}", "text": "caption {path}"}}\n' for path in SIX)},
        {},
        ("t.jsonl", "'text'"),
    ),
    "words that are no splits": (
        {"t.csv": table("filename,label,split", lambda n, p: (p, KINDS[n % 2], ("train", "eval", "holdout")[n % 3]))},
        {},
        ("eval", "holdout", "ingest.split_column"),
    ),
    "a fold that is a split for some": (
        {"t.csv": table("filename,label,Fold", lambda n, p: (p, KINDS[n % 2], ("train", "other")[n % 2]))},
        {},
        ("other", "Fold", "ingest.split_column"),
    ),
    **{
        f"a flag called {name}": (
            {"t.csv": table(f"filename,label,{name}", lambda n, p: (p, KINDS[n % 2], int(n > 3)))},
            {},
            (name, "ingest.split_column"),
        )
        for name in ("val", "test", "train", "is_holdout")
    },
    "splits among other words": (
        {"t.csv": table("filename,label,mode", lambda n, p: (p, KINDS[n % 2], ("train", "test", "extra")[n % 3]))},
        {},
        ("extra", "mode", "ingest.split_column"),
    ),
    "splits of two sets": (
        {"t.csv": table("filename,label,set", lambda n, p: (p, KINDS[n % 2], ("A-train", "A-test")[n % 2]))},
        {},
        ("A-train", "set", "ingest.split_column"),
    ),
    "numbers of splits": (
        {"t.csv": table("filename,label,partition", lambda n, p: (p, KINDS[n % 2], n % 3))},
        {},
        ("partition", "ingest.split_column"),
    ),
    "only a flag for training": (
        {"t.csv": table("filename,label,is_train", lambda n, p: (p, KINDS[n % 2], n % 2))},
        {},
        ("is_train", "ingest.split_column"),
    ),
    "a flag valid in most rows": (
        {"t.csv": table("filename,label,is_valid", lambda n, p: (p, KINDS[n % 2], int(n > 0)))},
        {},
        ("is_valid", "ingest.split_column"),
    ),
    "two columns of splits": (
        {"t.csv": table("filename,label,split,subset", lambda n, p: (p, KINDS[n % 2], "train", ("train", "test")[n % 2]))},
        {},
        ("split", "subset", "ingest.split_column"),
    ),
    "lists beside words": (
        {"t.csv": table("filename,labels", lambda n, p: (p, ("cat", "['cat' 'dog']")[n % 2]))},
        {},
        ("t.csv", "list", "ingest.separator"),
    ),
    "a list of words without quotes": (
        {"t.csv": table("filename,labels", lambda n, p: (p, ("[cat]", "[cat dog]")[n % 2]))},
        {},
        ("t.csv", "list"),
    ),
    "vectors of 0 and 1": (
        {"t.csv": table("filename,labels", lambda n, p: (p, quoted(("[0, 1]", "[1, 0]")[n % 2])))},
        {},
        ("t.csv", "labels", "lists of 0 and 1"),
    ),
    "vectors of 0 and 1 with blanks": ({"t.csv": labelled(("1 0", "0 1"))}, {}, ("t.csv", "label", "lists of 0 and 1")),
    "vectors of 0 and 1 with bars": ({"t.csv": labelled(("1|0|0", "0|1|0", "0|0|1"))}, {}, ("t.csv", "label", "lists of 0 and 1")),
    "names beside names of two words": (
        {"t.csv": labelled(("cat", "wild cat", "dog", "wild dog"))},
        {},
        ("wild cat", "blank", "ingest.separator"),
    ),
    **{
        f"parts between {mark!r} that stand alone": (
            {"t.csv": labelled(("cat", f"cat{mark}dog", "dog"))},
            {},
            (repr(mark), "ingest.separator"),
        )
        for mark in ("-", "_", ":", " and ")
    },
    **{
        f"{word} may be a label": ({"t.csv": labelled(("cat", word, "dog"))}, {}, (word, "ingest.missing_words"))
        for word in ("Unlabeled", "no label", "n.a.")
    },
    "a semicolon in a name": ({"t.csv": labelled(("Hats", "Shoes &amp; Bags"))}, {}, ("&amp; Bags", "ingest.separator")),
    "a remark after a semicolon": ({"t.csv": labelled(("cat", "cat; old", "dog", "cow"))}, {}, ("cat; old", "ingest.separator")),
    "a dictionary in a cell": ({"t.csv": table("filename,labels", lambda n, p: (p, quoted('{"cat": 1}')))}, {}, ("t.csv", "list")),
    "parts that come again": (
        {"t.csv": labelled(('"shirt, red"', '"shirt, blue"', '"hat, red"', '"hat, blue"'))},
        {},
        ("hat, blue", "ingest.separator"),
    ),
    "parts that do not come again": ({"t.csv": labelled(('"shirt, red"', '"hat, blue"'))}, {}, ("hat, blue", "ingest.separator")),
    "a flag for the split with blanks beside 0": (
        {"t.csv": table("filename,label,is_test", lambda n, p: (p, KINDS[n % 2], ("1", "", "0")[n % 3]))},
        {},
        ("is_test", "ingest.split_column"),
    ),
    "zero bytes": ({"t.csv": labelled(("cat", "d\0g"))}, {}, ("t.csv", "zero bytes")),
    "no label at all": ({"t.csv": labelled(("nan", ""))}, {}, ("t.csv", "label")),
    "words that come again": (
        {"t.csv": labelled(("red shirt", "blue shirt", "red hat", "blue hat"), "filename,labels")},
        {},
        ("blue hat", "blank", "ingest.separator"),
    ),
    "a flag beside many-hot columns": (
        {"t.csv": table("filename,cat,dog,owl,is_clean", lambda n, p: (p, *MANY_HOT[n % 3], n // 3))},
        {},
        ("is_clean", "ingest.label_columns"),
    ),
    "one column too many for one-hot": (
        {"t.csv": table("filename,cat,dog,owl,night", lambda n, p: (p, *ONE_HOT[n % 3], n // 3))},
        {},
        ("night", "ingest.label_columns"),
    ),
    "only flags": (
        {"t.csv": table("filename,kind,difficult,verified", lambda n, p: (p, KINDS[n % 2], n % 2, n // 3))},
        {},
        ("ingest.label_column",),
    ),
    "NA may be a label": ({"t.csv": labelled(("cat", "NA", "dog"))}, {}, ("NA", "ingest.missing_words")),
    "a dash may be a label": ({"t.csv": labelled(("cat", "-", "dog"))}, {}, ("'-'", "ingest.missing_words")),
    "a question mark may be a label": ({"t.csv": labelled(("cat", "?", "dog"))}, {}, ("'?'", "ingest.missing_words")),
    "groups that overlap": (
        {"t.csv": table("filename,label,patient,lesion", lambda n, p: (p, KINDS[n % 2], n // 3, n % 2))},
        {},
        ("patient", "lesion", "ingest.group_column"),
    ),
    "absolute paths of elsewhere without one beginning": (
        {"t.csv": table("image,label", lambda n, p: (f"/{'ab'[n % 2]}/{p}", KINDS[n % 2]))},
        {},
        ("/a/0.png", "relative"),
    ),
    "an absolute path among others": (
        {"t.csv": table("image,label", lambda n, p: (p if n else f"/other/{p}", KINDS[n % 2]))},
        {},
        ("/other/0.png", "relative"),
    ),
    "absolute paths that name other files": (
        {"t.csv": table("image,label", lambda n, p: (f"/other/x{p}", KINDS[n % 2]))},
        {},
        ("x0.png", "not in"),
    ),
    "columns of 1 beside classes under a name of their own": (
        {"t.csv": table("filename,Klasse,geprueft,Charge", lambda n, p: (p, KINDS[n % 2], 1, 1))},
        {},
        ("'Klasse'", "'geprueft'", "ingest.label_column,", "ingest.label_columns"),
    ),
    "two columns of 0 and 1 beside classes under a name of their own": (
        {"t.csv": table("filename,Klasse,indoor,night", lambda n, p: (p, KINDS[n % 2], int(n < 4), n // 3))},
        {},
        ("'Klasse'", "'indoor'", "ingest.label_columns"),
    ),
    "a table in no order": ({"a.csv": labelled(KINDS), "b.csv": labelled(KINDS)}, {}, ("a.csv", "b.csv", "ingest.table")),
}


@pytest.mark.parametrize(("texts", "settings", "words"), REFUSED.values(), ids=REFUSED)
def test_a_table_of_two_readings_is_refused(tmp_path, texts, settings, words):
    with pytest.raises(InputError) as error:
        ingested(lay(tmp_path / "photos", SIX, texts), **settings)
    assert [word for word in words if word not in str(error.value)] == []
    assert len(str(error.value)) < 600


def test_rows_that_name_no_label_of_several_are_told(tmp_path):
    text = table("filename,labels", lambda n, p: (p, ("cat|dog", "", "dog")[n % 3]))
    found = ingested(lay(tmp_path / "photos", SIX, {"t.csv": text}))
    assert found.column("labels")[1] == []
    assert any("2 row(s) of t.csv name nothing in column 'labels': images with none of the labels" in note.text for note in found.notes)


def test_columns_of_a_table_that_are_one_hot_but_for_a_flag_name_their_task(tmp_path):
    text = table("filename,cat,dog,night", lambda n, p: (p, *ONE_HOT[n % 2][:2], n // 3))
    photos = lay(tmp_path / "photos", SIX, {"t.csv": text})
    assert by_path(ingested(photos, task="binary")) == CAT_DOG
    assert ingested(photos, task="multilabel").classes == ("cat", "dog", "night")


@pytest.mark.parametrize(
    ("header", "cells", "splits"),
    [
        ("split", ("Train", "VAL", "testing"), ("train", "validation", "test")),
        ("split", ("tRAIN", "tEst", "-"), ("train", "test", None)),
        ("subset", ("training", "dev", ""), ("train", "validation", None)),
        ("Data Split", ("train_set", "valid", "nan"), ("train", "validation", None)),
        ("fold", ("trn", "val", "tst"), ("train", "validation", "test")),
        ("fold", ("1", "2", "3"), (None, None, None)),
        ("set", ("Star Wars", "Castle", "City"), (None, None, None)),
        ("stage2", ("train", "val", "test"), ("train", "validation", "test")),
        ("is_valid", ("True", "False", "False"), ("validation", "train", "train")),
        ("is_valid,is_test", ("1,0", "0,1", "0,0"), ("validation", "test", "train")),
        ("isTrain,isTest", ("1,0", "0,1", "0,0"), ("train", "test", "validation")),
        ("is_test", ("no", "no", "yes"), ("train", "train", "test")),
        ("is_test", ("1", "", ""), ("test", "train", "train")),
        ("train,test", ("1,0", "1,0", "0,1"), ("train", "train", "test")),
        ("in_test_set", ("1", "0", "0"), ("test", "train", "train")),
    ],
)
def test_the_split_of_a_row_is_read_from_words_and_flags(tmp_path, header, cells, splits):
    text = table(f"filename,label,{header}", lambda n, p: (p, KINDS[n % 2], cells[n % 3]))
    given = by_path(ingested(lay(tmp_path / "photos", SIX, {"t.csv": text})), "given_split")
    assert given == {path: splits[number % 3] for number, path in enumerate(SIX)}


def test_a_column_of_splits_may_be_no_split(tmp_path):
    text = table("filename,label,split", lambda n, p: (p, KINDS[n % 2], "ABC"[n % 3]))
    manifest = ingested(lay(tmp_path / "photos", SIX, {"t.csv": text}), split_column="none")
    assert (manifest.column("given_split"), manifest.column("user_split")) == ([None] * 6, ["A", "B", "C"] * 2)


def test_absolute_paths_inside_the_data_are_inside_also_through_a_link(tmp_path):
    photos = draw(tmp_path / "store/photos", SIX)
    (tmp_path / "link").symlink_to(tmp_path / "store")
    for root in (photos, tmp_path / "link/photos"):
        (photos / "t.csv").write_text(table("image,label", lambda n, p, root=root: (root / p, KINDS[n % 2])))
        assert by_path(ingested(photos)) == CAT_DOG
    (photos / "t.csv").write_text(table("image,label", lambda n, p: (photos.parent / p if n else photos / p, KINDS[n % 2])))
    with pytest.raises(InputError, match="leads out of the data"):
        ingested(photos)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (("1.0", "1.00", "1.10"), ("'1.0'", "'1.00'", "now '1'")),
        (("01", "1", "2"), ("'01'", "'1'", "two labels")),
        (("cat", "cat;", "dog"), ("'cat;'",)),
        (("[1.0]", "[1]", "[2]"), ("'1'", "'1.0'", "now '1'")),
        (("['k\u00e4se']", "['ka\u0308se']", "['cat']"), ("written in several ways",)),
        (("['cat' 'Cat']", "['dog']", "['cat']"), ("differ in case",)),
    ],
)
def test_labels_that_are_folded_or_nearly_the_same_are_told(tmp_path, labels, words, capsys):
    ingested(lay(tmp_path / "photos", SIX, {"t.csv": labelled(labels)}))
    told = capsys.readouterr().out
    assert [word for word in words if word not in told] == []


def test_a_column_called_label_with_another_value_in_each_row_holds_no_labels(tmp_path):
    paths = [f"{number}.png" for number in range(20)]
    text = table("filename,label,kind", lambda n, p: (p, f"masks/{n}.gif", KINDS[n % 2]), paths=paths)
    photos = lay(tmp_path / "photos", paths, {"t.csv": text})
    with pytest.raises(InputError, match=r"'label'.*ingest\.label_column"):
        ingested(photos)
    assert by_path(ingested(photos, label_column="kind"))["1.png"] == "dog"


@pytest.mark.parametrize("name", ["Patient Name", "subject_no", "animal_id", "StudyInstanceUID", "slide_id", "MRN"])
def test_a_column_that_may_hold_groups_is_told(tmp_path, name, capsys):
    text = table(f"filename,label,{name}", lambda n, p: (p, KINDS[n % 2], f"A{n // 2}"))
    ingested(lay(tmp_path / "photos", SIX, {"t.csv": text}))
    told = capsys.readouterr().out
    assert repr(name) in told and "ingest.group_column" in told


def test_a_struct_of_a_path_without_bytes_names_files(tmp_path):
    photos = draw(tmp_path / "photos", SIX)
    images = pa.array([{"bytes": None, "path": path} for path in SIX], pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    pq.write_table(pa.table({"image": images, "label": list(CAT_DOG.values())}), photos / "t.parquet")
    assert by_path(ingested(photos)) == CAT_DOG


IN_FOLDERS = [f"{kind}/{number}.png" for kind in KINDS for number in range(3)]


@pytest.mark.parametrize("folder", ["/home/ann/photos", "C:\\data", "/x/cat/dog", "gs://bucket/2024/"])
@pytest.mark.parametrize("inner", ["", "images/"])
def test_what_follows_the_folder_of_another_machine_names_files(tmp_path, folder, inner, capsys):
    text = table("path,label", lambda n, p: (f"{folder}/{p}", p[:3]), paths=IN_FOLDERS)
    photos = lay(tmp_path / "pets", [inner + path for path in IN_FOLDERS], {"t.csv": text})
    assert by_path(ingested(photos)) == {inner + path: path[:3] for path in IN_FOLDERS}
    assert f"what follows {folder[:2]}" in capsys.readouterr().out


def test_the_paths_of_another_machine_may_be_of_one_class(tmp_path):
    text = table("path,label", lambda n, p: (f"/x/dog/{n}.png", ["yes", "no", "yes"][n]), paths=SIX[:3])
    assert set(by_path(ingested(lay(tmp_path / "pets", IN_FOLDERS, {"t.csv": text})))) == set(IN_FOLDERS[3:])


@pytest.mark.parametrize("column", ["id", "image_id", "key", "number"])
@pytest.mark.parametrize(
    ("form", "cell"), [("{:04d}", "{}"), ("{}", "{:04d}"), ("{:05d}", "{:03d}"), ("a/{:04d}", "{}"), ("{:04d}", "{}.0")]
)
def test_ids_with_other_leading_zeros_name_files_and_are_told(tmp_path, column, form, cell, capsys):
    paths = [f"{form.format(number)}.png" for number in range(6, 12)]
    text = table(f"{column},label", lambda n, p: (cell.format(n + 6), KINDS[n % 2]), paths=paths)
    assert by_path(ingested(lay(tmp_path / "photos", paths, {"t.csv": text}))) == {path: KINDS[n % 2] for n, path in enumerate(paths)}
    assert "leading zeros" in capsys.readouterr().out


def test_ids_that_may_be_several_files_are_refused(tmp_path):
    paths = ["007.png", "0007.png", "08.png", "9.png"]
    text = table("image_id,label", lambda n, p: (n + 7, KINDS[n % 2]), paths=paths[:3])
    with pytest.raises(InputError, match=r"'7', which may be 0007\.png, 007\.png"):
        ingested(lay(tmp_path / "photos", paths, {"t.csv": text}))


def test_counts_beside_a_label_are_kept_and_told(tmp_path, capsys):
    text = table("filename,label,boxes", lambda n, p: (p, KINDS[n % 2], n))
    assert ingested(lay(tmp_path / "photos", SIX, {"t.csv": text})).column("boxes") == list(range(6))
    assert "1 further column(s) of t.csv are kept: 'boxes' (int64)" in capsys.readouterr().out


def test_many_numbers_are_classes_where_the_user_says_so(tmp_path):
    paths = [f"{number}.png" for number in range(24)]
    text = table("filename,label", lambda n, p: (p, f"0.{n % 12}5"), paths=paths)
    assert len(ingested(lay(tmp_path / "photos", paths, {"t.csv": text}), label_column="label").classes) == 12
