"""What somebody with an NPU can send: logs, conditions, results, the doctor's screen, hashes; nothing personal.

No image and no weights go in, only the hashes of files that hold them; names of users, of the host and of home folders
are blotted out in every text and file name.
"""

from __future__ import annotations

import getpass
import io
import json
import os
import re
import socket
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256 as digest
from pathlib import Path

from ..core.files import atomic_path, open_regular, read_json, sha256
from ..core.host import environment
from ..errors import StudyError
from ..inference.doctor import examine, screen
from ..version import __version__
from .workspace import Workspace

KINDS_OF_BUNDLE = {".zip": "zip", ".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz"}
NEWEST_LOGS, END_OF_LOG = 20, 1_000_000  # files of CANN's logs, and bytes of each
_PUBLIC_NAMES = {"", "root", "localhost"}  # tell nothing of anybody


@dataclass(frozen=True)
class Bundle:
    """A bundle that was written, and the names of the files in it."""

    path: Path
    names: tuple[str, ...]


def write_bundle(
    path: Path, workspace: Workspace, logs: Sequence[Path] = (), home: Path | None = None, users: Sequence[str] = ()
) -> Bundle:
    """Pack a workspace's results with everything that explains them.

    Parameters
    ----------
    path : Path
        Ends with one of `KINDS_OF_BUNDLE`.
    workspace : Workspace
    logs : sequence of Path
        Further texts.
    home : Path, optional
        Where CANN leaves its logs, and what is blotted out; the user's by default.
    users : sequence of str
        Names to blot out beside those that the system tells.

    Raises
    ------
    StudyError
        Another suffix; a log that is no text.
    """
    kind = next((kind for suffix, kind in KINDS_OF_BUNDLE.items() if path.name.lower().endswith(suffix)), None)
    if kind is None:
        raise StudyError("no kind of bundle", where=path, cure=f"End it with {', '.join(KINDS_OF_BUNDLE)}.")
    home = home or Path.home()
    blot = blotter(workspace.root, home, users)
    texts = {blot(name): blot(text) for name, text in _texts(workspace, home, logs)}
    sums = "".join(f"{digest(text.encode()).hexdigest()}  {name}\n" for name, text in texts.items())
    texts["SHA256SUMS"] = sums
    with atomic_path(path) as temporary:
        _pack(temporary, kind, {name: text.encode() for name, text in texts.items()})
    return Bundle(path, tuple(texts))


def blotter(root: Path, home: Path, users: Sequence[str] = ()) -> Callable[[str], str]:
    """A function that blots out the workspace's place, home folders, and names of users and host in a text."""
    places = {str(root): "<workspace>", str(root.resolve()): "<workspace>", str(home): "~", str(home.resolve()): "~"}
    names = {*users, *_users(), home.name}
    hosts = {socket.gethostname(), socket.gethostname().partition(".")[0]}
    steps = [
        *((re.escape(place) + r"(?![\w.-])", sign) for place, sign in places.items() if place != "/"),
        (r"/(?:home|Users)/[^/\s\"':,;)\]]+|/root(?![\w.-])", "~"),
        *((_word(name), "<user>") for name in sorted(names - _PUBLIC_NAMES, key=len, reverse=True)),
        *((_word(name), "<host>") for name in sorted(hosts - _PUBLIC_NAMES, key=len, reverse=True)),
    ]
    patterns = [(re.compile(pattern, re.IGNORECASE), sign) for pattern, sign in steps]

    def blot(text: str) -> str:
        for pattern, sign in patterns:
            text = pattern.sub(sign, text)
        return text

    return blot


def _users() -> set[str]:
    """Every name that the system has for this user."""
    names = {os.environ.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER")}
    try:
        names.add(getpass.getuser())
    except (OSError, KeyError):  # a number without a name, as in many containers
        pass
    return names


def _word(name: str) -> str:
    return rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])"


def _texts(workspace: Workspace, home: Path, logs: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Names and texts, not yet blotted."""
    yield "doctor.txt", screen(examine(home=home, workspace=workspace.root)) + "\n"
    yield "environment.json", _json({"osnet": __version__, **environment()})
    for path in sorted(workspace.results.glob("*.json")):
        yield f"results/{path.name}", _end(path)
    for folder in (workspace.models, workspace.features):
        for path in sorted(folder.rglob("*.key.json")):
            yield f"conditions/{path.relative_to(folder.parent).as_posix()}", _end(path)
    for path in sorted(workspace.failed.glob("*.ipynb")):
        yield f"logs/failed/{path.stem}.txt", _errors(path)
    for path, name in _cann_logs(home):
        yield f"logs/ascend/{name}", _end(path)
    for number, path in enumerate(logs, 1):
        yield f"logs/{number}-{path.name}", _text(path)
    yield "hashes.json", _json(_hashes(workspace))


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _end(path: Path) -> str:
    """The last part of a file, for logs have no end."""
    with open_regular(path) as stream:
        stream.seek(max(0, path.stat().st_size - END_OF_LOG))
        return stream.read().decode("utf-8", "replace")


def _text(path: Path) -> str:
    text = _end(path)
    if "\0" in text or text.count("\ufffd") > len(text) // 100:
        raise StudyError("no text", where=path, cure="Give a log; images and models do not belong in a bundle.")
    return text


def _errors(notebook: Path) -> str:
    """What the cells of a notebook that failed wrote as text; its images stay behind."""
    try:
        cells = read_json(notebook)["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", ())]
        lines = [
            "".join(output["text"]) if "text" in output else "\n".join([*output.get("traceback", ()), ""])
            for output in outputs
            if output.get("output_type") in ("stream", "error")
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return "not a notebook\n"
    return re.sub(r"\x1b\[[\d;]*m", "", "".join(lines))  # colours of a terminal


def _cann_logs(home: Path) -> list[tuple[Path, str]]:
    """CANN's newest logs with their names below its folder."""
    folder = Path(os.environ.get("ASCEND_PROCESS_LOG_PATH") or home / "ascend" / "log")
    files = sorted(folder.rglob("*.log"), key=lambda file: file.stat().st_mtime, reverse=True)[:NEWEST_LOGS]
    return [(file, file.relative_to(folder).as_posix()) for file in sorted(files)]


def _hashes(workspace: Workspace) -> dict[str, dict[str, object]]:
    """Size and SHA-256 of models, features and results, none of which but the results is packed."""
    files = [file for folder in (workspace.models, workspace.features, workspace.results) for file in folder.rglob("*")]
    return {
        file.relative_to(workspace.root).as_posix(): {"bytes": file.stat().st_size, "sha256": sha256(file)}
        for file in sorted(files)
        if file.is_file()
    }


def _pack(path: Path, kind: str, contents: Mapping[str, bytes]) -> None:
    """Write an archive whose members name no owner and no time."""
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in contents.items():
                archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        return
    with tarfile.open(path, "w:gz" if kind == "w:gz" else "w") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)  # of user 0, group 0, 1970
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
