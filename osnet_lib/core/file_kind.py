"""What a file is by its content, whatever it is called, and what helps where something else was wanted."""

from __future__ import annotations

import codecs
import re
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from .command import python_command
from .files import open_regular, parse_json, special

CHECKPOINT, SAFETENSORS, ONNX, OM = "checkpoint", "safetensors", "onnx", "om"
PICKLE, UNRECOGNISED = "pickle", "unrecognised"

_AGAIN = "Download or copy it again, and compare its size and sha256 with the source."
_LEGACY = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the number that starts what torch.save wrote before 1.6
_ONNX_FIELDS = frozenset(b"\x12\x1a\x22\x28\x32\x3a\x42\x72")  # tags that follow ir_version in a ModelProto
_SIGNS = (  # how a file starts, its name, what it is, the cure
    (b"IMOD", OM, "an Ascend OM", "It runs on an NPU as it is: osnet infer, osnet benchmark."),
    (b"\x1f\x8b", "gzip", "compressed by gzip", "Decompress it and give what comes out: gzip -dc FILE > OUT"),
    (b"BZh", "bzip2", "compressed by bzip2", "Decompress it and give what comes out: bzip2 -dc FILE > OUT"),
    (b"\xfd7zXZ\0", "xz", "compressed by xz", "Decompress it and give what comes out: xz -dc FILE > OUT"),
    (b"\x28\xb5\x2f\xfd", "zstd", "compressed by zstd", "Decompress it and give what comes out: zstd -dc FILE > OUT"),
    (b"Rar!", "rar", "a RAR archive", "Unpack it and give the file inside: unrar x FILE"),
    (b"7z\xbc\xaf\x27\x1c", "7z", "a 7z archive", "Unpack it and give the file inside: 7z x FILE"),
    (
        b"\x93NUMPY",
        "npy",
        "a numpy array (.npy)",
        "Give a file of torch.save or safetensors, with all tensors by name.",
    ),
    (b"\x89HDF", "hdf5", "an HDF5 file (Keras, MATLAB)", "Give the PyTorch checkpoint of the network."),
    (b"\xff\xd8\xff", "jpeg", "a JPEG image", "Give the file of the model."),
    (b"\x89PNG", "png", "a PNG image", "Give the file of the model."),
    (b"%PDF", "pdf", "a PDF document", "Give the file of the model."),
    (b"\x7fELF", "elf", "a program or library (ELF)", "Give the file of the model."),
)
_PAGE = re.compile(
    rb"\s*(?:<!--(?:(?!-->).)*-->\s*)*<(?:!doctype\s+html|html|head|body|script|meta)\b", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True)
class FileKind:
    """A kind of file: a name for programs, `what` in words that follow "it is", and a `cure` for who wanted another."""

    name: str
    what: str
    cure: str


def file_kind(path: Path) -> FileKind:
    """What lies at a path that exists; only the head of a file is read, and the table of contents of an archive.

    Raises
    ------
    OSError
        A path that cannot be read.
    """
    if path.is_dir():
        return _folder(path)
    if words := special(path):
        return FileKind("special", f"{words}, not a regular file", "Give the path of the file itself.")
    with open_regular(path) as stream:
        head = stream.read(4096)
    size = path.stat().st_size
    if not head:
        return FileKind("empty", "an empty file", "Download or copy it again.")
    if not any(head):
        return FileKind("zeros", "filled with zeros, as by a download that was broken off", _AGAIN)
    if head.startswith(b"PK\x03\x04"):
        return _zip(path)
    if len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5:
        return _pickle(head)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 40:
        return FileKind(SAFETENSORS, "a safetensors file", "osnet export FILE OUT.onnx makes an ONNX file of it.")
    if len(head) > 2 and head[0] == 8 and 0 < head[1] < 128 and head[2] in _ONNX_FIELDS:
        return FileKind(ONNX, "an ONNX file", "It needs no export: osnet simplify, extract, infer take it as it is.")
    for sign, name, what, cure in _SIGNS:
        if head.startswith(sign):
            return FileKind(name, what, cure.replace("FILE", path.name))
    if head[257:262] == b"ustar":
        return _tar(path)
    if head[:4] in (b"\3\0\0\0", b"\4\0\0\0") and head[4:8] == b"\1\0\0\0":
        return FileKind("torch7", "a file of Lua's Torch7, not of PyTorch", "Give the network as PyTorch saves it.")
    return _text(head, size) or FileKind(UNRECOGNISED, "none of the kinds that are known", _AGAIN)


def _folder(path: Path) -> FileKind:
    inside = next((p.parent for p in (path / "data.pkl", *sorted(path.glob("*/data.pkl"))) if p.is_file()), None)
    if inside is None:
        return FileKind("folder", "a folder, not a file", "Give the path of the file in it.")
    return FileKind("folder", f"a checkpoint that was unpacked into a folder ({inside.name}/data.pkl)", _repack(inside))


def _repack(folder: Path) -> str:
    """The command that makes one file of an unpacked checkpoint again."""
    return f"Pack it again: cd {folder.resolve().parent} && python -m zipfile -c {folder.name}.pth {folder.name}"


def _zip(path: Path) -> FileKind:
    """A checkpoint, something else of PyTorch, or an archive of other files."""
    export = FileKind(CHECKPOINT, "a PyTorch checkpoint", "osnet export FILE OUT.onnx makes an ONNX file of it.")
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return export  # its reader says what is wrong with it
    below = {name.partition("/")[2] for name in names}
    if "constants.pkl" in below:
        strip = f"import torch; torch.save(torch.jit.load('{path.name}').state_dict(), 'weights.pth')"
        return FileKind("torchscript", "a TorchScript program", f"Take its weights out: {python_command(strip)}")
    if "archive_format" in below or "serialized_exported_program.json" in names:
        strip = f"import torch; torch.save(torch.export.load('{path.name}').state_dict, 'weights.pth')"
        return FileKind("pt2", "a program of torch.export", f"Take its weights out: {python_command(strip)}")
    if "data.pkl" in below:
        return export
    if names and all(name.endswith(".npy") for name in names):
        some = ", ".join(name.removesuffix(".npy") for name in names[:4])
        return FileKind(
            "npz",
            f"a numpy archive (.npz) of {some}",
            "Features go to osnet evaluate; weights are read from torch.save or safetensors.",
        )
    return FileKind("zip", f"a zip archive around {_some(names)}", _unpack(f"python -m zipfile -e {path.name} FOLDER"))


def _tar(path: Path) -> FileKind:
    try:
        with tarfile.open(path) as archive:
            names = [member.name for member in archive.getmembers() if member.isfile()]
    except (tarfile.TarError, EOFError):
        return FileKind("tar", "a damaged tar archive", _AGAIN)
    return FileKind("tar", f"a tar archive around {_some(names)}", _unpack(f"tar -xf {path.name}"))


def _unpack(command: str) -> str:
    return f"Unpack it and give the file inside: {command}"


def _some(names: list[str]) -> str:
    return f"{', '.join(names[:3]) or 'nothing'}{f' and {len(names) - 3} more' if len(names) > 3 else ''}"


def _pickle(head: bytes) -> FileKind:
    if _LEGACY in head[:64]:
        return FileKind(
            CHECKPOINT, "a PyTorch checkpoint (of before 1.6)", "osnet export FILE OUT.onnx makes an ONNX file of it."
        )
    return FileKind(PICKLE, "a bare pickle, not a file of torch.save", "Save it with torch.save(state_dict, path).")


def _text(head: bytes, size: int) -> FileKind | None:
    """Pages, messages and pointers that came in place of a file."""
    text = head.decode("utf-8-sig", "replace").strip()
    lower = text.lower()
    if lower.startswith("version https://git-lfs."):
        real = re.search(r"size (\d+)", text)
        size_words = f" to a file of {int(real[1]):,} bytes" if real else ""
        return FileKind(
            "git-lfs",
            f"a git-lfs pointer{size_words}, not the file itself",
            "Run git lfs pull in its repository, or download the file itself in a browser.",
        )
    if is_web_page(head):
        title = re.search(r"<title[^>]*>\s*(.*?)\s*</title", text, re.IGNORECASE | re.DOTALL)
        said = f" ({' '.join(title[1].split())[:80]})" if title and title[1] else ""
        return FileKind(
            "html",
            f"a web page{said} in place of the file, as a download gives that was refused or needs a confirmation",
            "Open the link in a browser, wait out a quota, and save the file itself.",
        )
    if lower.startswith(("<?xml", "<error")):
        return FileKind("xml", f"an XML message ({' '.join(text.split())[:80]})", f"Read what it says. {_AGAIN}")
    if text[:1] in ("{", "[") and (size > len(head) or _is_json(text)):
        return FileKind("json", f"a JSON text ({' '.join(text.split())[:80]})", f"Read what it says. {_AGAIN}")
    if "\ufffd" not in text[:-1] and all(letter.isprintable() or letter.isspace() for letter in text):
        return FileKind("text", f"plain text ({' '.join(text.split())[:60]})", _AGAIN)
    return None


def is_web_page(head: bytes) -> bool:
    """Whether a file that begins so is HTML."""
    return _PAGE.match(head.removeprefix(codecs.BOM_UTF8)) is not None


def _is_json(text: str) -> bool:
    try:
        parse_json(text)
    except ValueError:
        return False
    return True
