"""A manifest is a data set like any other; each fault in one is told with its line."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from helpers.refusals import refusal_of
from osnet_lib.datasets.collection import open_collection
from osnet_lib.datasets.ground_truth import read_ground_truth
from osnet_lib.datasets.manifest import flat_samples, is_manifest, open_manifest, read_manifest, samples_of_dumps
from osnet_lib.datasets.market1501 import Market1501
from osnet_lib.datasets.preprocess import iter_batches
from osnet_lib.errors import DatasetError

ROWS = [
    ("query", "q/Anna 1.png", "7", "0"),
    ("query", "q/行人.webp", "10000000", "31"),
    ("gallery", "g/cam.3/a.b.JPG", "7", "3"),
    ("gallery", "g/cam.4/a.b.JPG", "7", "4"),
    ("gallery", "g/no suffix", "10000000", "3"),
    ("gallery", "g/0.bmp", "0", "3"),
    ("gallery", "junk.tiff", "-1", "3"),
]
KINDS = {".png": "PNG", ".webp": "PNG", ".jpg": "JPEG", "": "JPEG", ".bmp": "BMP", ".tiff": "TIFF"}


def text_of(rows, header="split,path,pid,camid", newline="\n") -> str:
    return newline.join([header, *(",".join(row) for row in rows), ""])


@pytest.fixture
def folder(tmp_path) -> Path:
    """Images under names of all kinds, without a manifest."""
    for number, (_, name, _, _) in enumerate(ROWS):
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (20, 10, 3), dtype=np.uint8)
        kind = "JPEG" if path.name == "no suffix" else KINDS[path.suffix.lower()]
        Image.fromarray(pixels).save(path, kind)
    return tmp_path / "own"


def manifest(folder: Path, text: str | bytes | None = None, name: str = "m.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else (text_of(ROWS) if text is None else text).encode())
    return path


def refusal(path, call=open_manifest) -> str:
    message = refusal_of(DatasetError, call, path)
    assert message.startswith(str(path))
    return message


# ---- what it gives ---------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*holds PNG under a name of WEBP")
def test_a_manifest_has_the_face_of_a_data_set(folder):
    with open_collection(str(manifest(folder))) as data:
        assert isinstance(data, Market1501) and data.path == folder / "m.csv" and not data.is_market1501
        assert [sample.name for sample in data.query] == ["q/Anna 1.png", "q/行人.webp"]
        assert [(s.pid, s.camid) for s in data.query] == [(7, 0), (10000000, 31)]
        assert [s.name for s in data.gallery] == ["g/0.bmp", "g/cam.3/a.b.JPG", "g/cam.4/a.b.JPG", "g/no suffix"]
        assert [s.name for s in data.junk] == ["junk.tiff"] and data.train == data.multi_query == ()
        assert [(row["split"], row["folder"], row["images"], row["cameras"]) for row in data.summary()] == [
            ("query", "query", 2, 2),
            ("gallery", "gallery", 5, 2),
        ]
        for sample in (*data.query, *data.gallery, *data.junk):
            assert data.read(sample) == (folder / sample.name).read_bytes() and data.image(sample).size == (10, 20)
        batches = list(iter_batches(data, data.gallery, 3))
        assert [len(batch) for batch, _ in batches] == [3, 1] and batches[0][1].shape == (3, 3, 256, 128)
        assert not read_ground_truth(data)


FORMS = {
    "a byte-order mark": lambda: b"\xef\xbb\xbf" + text_of(ROWS).encode(),
    "CRLF": lambda: text_of(ROWS, newline="\r\n").encode(),
    "both": lambda: b"\xef\xbb\xbf" + text_of(ROWS, newline="\r\n").encode(),
    "UTF-16": lambda: text_of(ROWS, newline="\r\n").encode("utf-16"),
    "no last newline": lambda: text_of(ROWS).rstrip("\n").encode(),
    "empty lines": lambda: text_of(ROWS).replace("\n", "\n\n").encode(),
    "empty lines first": lambda: b"\n\r\n" + text_of(ROWS).encode(),
    "semicolons": lambda: text_of(ROWS).replace(",", ";").encode(),
    "tabs": lambda: text_of(ROWS).replace(",", "\t").encode(),
    "quotes": lambda: text_of(tuple(f'"{field}"' for field in row) for row in ROWS).encode(),
    "spaces": lambda: text_of(ROWS).replace(",", ", ").encode(),
    "capitals": lambda: text_of([(s.upper(), *more) for s, *more in ROWS], "SPLIT,Path,pid,CamId").encode(),
    "another order": lambda: text_of([row[::-1] for row in ROWS], "camid,pid,path,split").encode(),
    "more columns": lambda: text_of([(*row, "red", "") for row in ROWS], "split,path,pid,camid,colour,path2").encode(),
    "backslashes": lambda: text_of(ROWS).replace("/", "\\").encode(),
    "dots": lambda: text_of((s, f"./x/../{p}", *more) for s, p, *more in ROWS).encode(),
    "zeros before": lambda: text_of(
        (s, p, pid.zfill(12) if pid != "-1" else pid, c.zfill(4)) for s, p, pid, c in ROWS
    ).encode(),
    "another order of lines": lambda: text_of(ROWS[::-1]).encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_the_file_makes_no_difference(folder, form):
    with open_manifest(manifest(folder)) as data:
        tables, digest = (data.query, data.gallery, data.junk), data.digest
    with open_manifest(manifest(folder, FORMS[form](), "Other.CSV")) as data:
        assert (data.query, data.gallery, data.junk) == tables and data.digest == digest


@pytest.mark.parametrize("change", ["pid", "camid", "split", "image", "name"])
def test_the_digest_follows_labels_and_content(folder, change):
    with open_manifest(manifest(folder)) as data:
        digest = data.digest
    rows = [list(row) for row in ROWS]
    if change in ("pid", "camid"):
        rows[5][2 if change == "pid" else 3] = "5"
    elif change == "split":
        rows[5][0] = "query"
    elif change == "name":
        (folder / "g" / "0.bmp").rename(folder / "g" / "1.bmp")
        rows[5][1] = "g/1.bmp"
    else:
        (folder / "g" / "0.bmp").write_bytes((folder / "g" / "cam.3" / "a.b.JPG").read_bytes())
    with open_manifest(manifest(folder, text_of(map(tuple, rows)))) as data:
        assert data.digest != digest


def test_the_place_of_the_folder_makes_no_difference_and_relative_paths_do(folder, monkeypatch):
    with open_manifest(manifest(folder)) as data:
        digest = data.digest
    monkeypatch.chdir(folder)
    with open_manifest("m.csv") as data:
        assert data.digest == digest
    monkeypatch.chdir("/")
    folder.rename(folder.with_name("moved"))
    with open_manifest(folder.with_name("moved") / "m.csv") as data:
        assert data.digest == digest


def test_only_its_suffix_makes_a_file_a_manifest(tmp_path):
    assert [is_manifest(name) for name in ("a.csv", "b/A.CSV", "a.parquet", "a.csv.zip", "a", "csv")] == [True] * 3 + [
        False
    ] * 3
    (tmp_path / "market.csv").mkdir()  # a folder may bear any name
    with pytest.raises(DatasetError, match="holds none of the folders"):
        open_collection(tmp_path / "market.csv")


# ---- faults ----------------------------------------------------------------------------------------------------------

GOOD = text_of(ROWS)
FAULTS = {
    "an unknown split": (GOOD + "train,g/0.bmp,1,1\n", ", line 9: unknown split 'train'. Use query or gallery"),
    "no split": (GOOD + ",g/0.bmp,1,1\n", ", line 9: unknown split ''"),
    "a name for a pid": (GOOD + "gallery,g/0.bmp,anna,1\n", ", line 9: pid 'anna' is no whole number"),
    "a fraction": (GOOD + "gallery,g/0.bmp,7.0,1\n", ", line 9: pid '7.0' is no whole number"),
    "a pid below -1": (GOOD + "gallery,g/0.bmp,-2,1\n", ", line 9: pid '-2' is no whole number"),
    "no pid": (GOOD + "gallery,g/0.bmp,,1\n", ", line 9: pid '' is no whole number"),
    "a huge pid": (GOOD + "gallery,g/0.bmp,9223372036854775808,1\n", ", line 9: pid '9223372036854775808'"),
    "other digits": (GOOD + "gallery,g/0.bmp,٣,1\n", ", line 9: pid '٣' is no whole number"),
    "a name for a camera": (GOOD + "gallery,g/0.bmp,1,c1\n", ", line 9: camid 'c1' is no whole number"),
    "a camera below 0": (GOOD + "gallery,g/0.bmp,1,-1\n", ", line 9: camid '-1' is no whole number"),
    "junk in the query": (GOOD + "query,g/0.bmp,-1,1\n", ", line 9: junk (pid -1) in the query"),
    "the same path": (
        GOOD + "gallery,q/Anna 1.png,1,1\n",
        ", line 9: q/Anna 1.png is listed twice, the first time in line 2",
    ),
    "the same path otherwise": (GOOD + "query,./g\\..\\q/Anna 1.png,1,1\n", "q/Anna 1.png is listed twice"),
    "the same stem": (GOOD + "gallery,q/Anna 1.jpg,1,1\n", "q/Anna 1.jpg differs only in its suffix from q/Anna 1.png"),
    "no such image": (
        GOOD + "gallery,g/9.jpg,1,1\n",
        ", line 9: g/9.jpg is not there. Paths are taken from the folder",
    ),
    "several": (GOOD + "gallery,g/9.jpg,1,1\ngallery,g/8.jpg,1,1\n", ", line 9: g/9.jpg is not there, nor are 1 more"),
    "a folder": (GOOD + "gallery,g,1,1\n", ", line 9: g is not there"),
    "no path": (GOOD + "gallery,,1,1\n", ", line 9: no path"),
    "a path out": (GOOD + "gallery,../own/g/0.bmp,1,1\n", ", line 9: the path '../own/g/0.bmp' leads out"),
    "a path out by detours": (GOOD + "gallery,g/../../own/g/0.bmp,1,1\n", "leads out of the manifest's folder"),
    "an absolute path": (GOOD + "gallery,/etc/passwd,1,1\n", ", line 9: the path '/etc/passwd' leads out"),
    "a drive": (GOOD + "gallery,C:\\a.jpg,1,1\n", "leads out of the manifest's folder"),
    "a field too few": (GOOD + "gallery,g/0.bmp,1\n", ", line 9: 3 fields, and the header has 4"),
    "a field too many": (GOOD + "gallery,g/0,5.bmp,1,1\n", ", line 9: 5 fields, and the header has 4"),
    "an open quote": (GOOD + 'gallery,"g/0.bmp,1,1\n', ", line 9: is no line of a table"),
    "a line counted with those in quotes": (
        text_of([*ROWS, ("gallery", "x", "1", "1")]).replace("g/0.bmp", '"g/0\n.bmp"'),
        ", line 7: the path 'g/0\\n.bmp' holds a line break",
    ),
    "no header": (GOOD.partition("\n")[2], "lacks the column split"),
    "a column lacks": (GOOD.replace("camid", "camera"), ": lacks the column camid; there are split, path, pid, camera"),
    "a column twice": (GOOD.replace("camid", "pid"), "has twice the column pid"),
    "a line break in a column's name": (
        '"spl\nit",path,pid,camid\n',
        "lacks the column split; there are spl\\nit, path",
    ),
    "only a header": ("split,path,pid,camid\n", ": lists no images"),
    "nothing but lines": ("\n\n", ": lists no images"),
    "nothing": ("", ": is an empty file"),
    "a page": ("<!doctype html><html>", ": is a web page (HTML)"),
    "a pointer": ("version https://git-lfs.github.com/spec/v1\noid", ": is a pointer of git-lfs"),
    "another encoding": (GOOD.encode("gbk"), ": is no UTF-8 text (line 3)"),
    "no query": (text_of(ROWS[2:]), ": no usable image in the split query"),
    "no gallery": (text_of(ROWS[:2]), ": no usable image in the split gallery"),
    "strangers": (text_of([ROWS[0], ROWS[5]]), ": no identity of the split query appears in the split gallery"),
    "one camera": (
        text_of([ROWS[0], ("gallery", "g/0.bmp", "7", "0")]),
        "(identity 0007 only from c0). The camera is in",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_its_line(folder, fault):
    text, what = FAULTS[fault]
    assert what in refusal(manifest(folder, text))


def test_no_such_manifest(tmp_path):
    assert "no such manifest" in refusal(tmp_path / "m.csv", open_collection)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
def test_any_text_is_read_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text("split,path,pid,camid\n" + text, "utf-8", "surrogatepass", newline="")
    with pytest.raises(DatasetError) as caught:
        read_manifest(path)
    assert "\n" not in str(caught.value)


# ---- Parquet ---------------------------------------------------------------------------------------------------------


def test_parquet_without_pyarrow_is_refused_in_one_line(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = manifest(folder, b"PAR1", "m.parquet")
    assert "needs pyarrow, which is not installed. Write it as .csv, or: pip install pyarrow" in refusal(path)


@pytest.fixture
def stand_in(monkeypatch):
    """As much of pyarrow as is called, where it is not installed: a table is a list of rows in JSON."""
    import json

    class Table(list):
        def to_pylist(self):
            return list(self)

    def rows(stream):
        stream.seek(0)
        try:
            return json.loads(stream.read())
        except ValueError as error:
            raise module.ArrowException("no magic bytes\nat all") from error

    module, parquet = ModuleType("pyarrow"), ModuleType("pyarrow.parquet")
    module.ArrowException = type("ArrowException", (Exception,), {})
    parquet.read_schema = lambda stream: type("Schema", (), {"names": list(rows(stream)[0])})
    parquet.read_table = lambda stream, columns: Table({c: row[c] for c in columns} for row in rows(stream))
    module.parquet = parquet
    monkeypatch.setitem(sys.modules, "pyarrow", module)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", parquet)
    return lambda path, table: path.write_text(json.dumps(table))


def as_table(rows) -> list[dict]:
    return [{"colour": "red", "split": s, "path": p, "pid": int(i), "CamId": int(c)} for s, p, i, c in rows]


def test_parquet_is_the_same_as_csv(folder, stand_in):
    stand_in(folder / "m.parquet", as_table(ROWS))
    with open_manifest(folder / "m.parquet") as table, open_manifest(manifest(folder)) as data:
        assert (table.query, table.gallery, table.junk, table.digest) == (
            data.query,
            data.gallery,
            data.junk,
            data.digest,
        )


@pytest.mark.parametrize(
    "change, what",
    [
        ({"pid": 7.0}, ", row 2: pid '7.0' is no whole number"),
        ({"pid": None}, ", row 2: pid '' is no whole number"),
        ({"path": "/etc/passwd"}, ", row 2: the path '/etc/passwd' leads out"),
    ],
)
def test_a_fault_in_parquet_is_told_with_its_row(folder, stand_in, change, what):
    table = as_table(ROWS)
    table[1] |= change
    stand_in(folder / "m.parquet", table)
    assert what in refusal(folder / "m.parquet")


def test_what_is_no_parquet_is_refused(folder, stand_in):
    (folder / "m.parquet").write_bytes(b"PAR")
    assert ": is no Parquet table (no magic bytes)" in refusal(folder / "m.parquet")


def test_a_real_parquet(folder):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(as_table(ROWS)), folder / "m.parquet")
    with open_manifest(folder / "m.parquet") as table, open_manifest(manifest(folder)) as data:
        assert table.digest == data.digest
    (folder / "m.parquet").write_bytes((folder / "m.parquet").read_bytes()[:-9])
    assert ": is no Parquet table (" in refusal(folder / "m.parquet")


# ---- names in one folder ---------------------------------------------------------------------------------------------


def test_files_of_the_guide_are_called_by_the_file_name_alone(folder):
    samples = samples_of_dumps(manifest(folder), "query")
    assert {stem: sample.name for stem, sample in samples.items()} == {"Anna 1": "q/Anna 1.png", "行人": "q/行人.webp"}
    assert samples_of_dumps(folder) is None


def test_equal_file_names_of_two_folders_are_refused_there_and_only_there(folder):
    path = manifest(folder)
    with pytest.raises(
        DatasetError, match=r"g/cam\.4/a\.b\.JPG and g/cam\.3/a\.b\.JPG would be the same file a\.b\..*rename"
    ):
        samples_of_dumps(path)
    samples = read_manifest(path)
    assert len(flat_samples((s for s in samples if "cam.4" not in s.name), path)) == len(samples) - 1
