"""What a command left in its folder, up to times: those are blotted out by their keys, and by nothing else."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import nbformat

# Times, by their keys in JSON, what says how far an earlier run had come, and where: a node has another name each time.
TIMES = frozenset({"seconds", "resumed_at", "date", "node", "nodes"})
_JUDGED = "verdict"  # a key of what was timed: all of it is another at each run
_HASHES = frozenset({"sha256", "results", "digest"})  # of files that hold times
_TEMPORARY = re.compile(r"\..+\.tmp(\.\w+)?|.+\.part(\.json)?")
_RECORD = re.compile(r".+\.sha256|.+\.key\.json")  # grow while the work goes on


def is_temporary(path: str) -> bool:
    """A name under which nobody looks for anything finished."""
    return any(_TEMPORARY.fullmatch(part) for part in path.split("/"))


def is_record(path: str) -> bool:
    """Whether a file says how far a run has come, and so is another at each moment."""
    return _RECORD.fullmatch(path.rpartition("/")[2]) is not None


def state(folder: Path, inputs: frozenset[str] = frozenset()) -> dict[str, object]:
    """The files below a folder by their paths, without `inputs`."""
    held = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in inputs and "__pycache__" not in name and not name.endswith(".lock"):
            held[name] = _content(path)
    return held


def _content(path: Path) -> object:
    """What a file holds up to times; of one that cannot be read as what it is called, its bytes."""
    data = path.read_bytes()
    try:
        if path.suffix == ".json":
            return _without_times(json.loads(data), hashes=_HASHES)
        if path.suffix == ".ipynb":
            return _notebook(data)
        if path.suffix == ".npz":
            return _arrays(path)
        if path.suffix == ".sha256":  # in the order in which threads wrote, with a line for each beginning
            return frozenset(data.split(b"\n")) - {b""}
        if re.match(r"(PureInfer_perf|perf_vision)", path.name):
            return re.sub(rb"\d+(\.\d+)?(e[-+]\d+)?", b"N", data)
    except (ValueError, KeyError, zipfile.BadZipFile):
        pass
    return data


def _without_times(value: object, hashes: frozenset[str] = frozenset()) -> object:
    if isinstance(value, dict) and _JUDGED in value:
        return "timed"
    if isinstance(value, dict):
        return {
            key: "…" if key in TIMES or key in hashes else _without_times(one, hashes) for key, one in value.items()
        }
    return [_without_times(one, hashes) for one in value] if isinstance(value, list) else value


def _arrays(path: Path) -> object:
    """The arrays of a feature file to the last bit; of its conditions the times not."""
    with zipfile.ZipFile(path) as archive:
        held: dict[str, object] = {name: archive.read(name) for name in archive.namelist()}
    text = bytes(held["conditions.npy"]).decode("utf-32-le", "replace")  # type: ignore[arg-type]
    return {**held, "conditions.npy": _without_times(json.loads(text[text.find('{"') :].rstrip("\0")))}


def _notebook(data: bytes) -> object:
    """Sources and outputs of an executed notebook, and its stamp."""
    book = nbformat.reads(data.decode(), 4)
    cells = [(cell.source, cell.get("outputs")) for cell in book.cells]
    return cells, _without_times(dict(book.metadata.get("study", {})), _HASHES)
