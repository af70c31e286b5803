"""Whatever a file of tensors holds, recognised by its content and read without running code from it."""

from __future__ import annotations

import io
import pickle
import re
import warnings
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ..core.command import python_command
from ..core.file_kind import CHECKPOINT, PICKLE, SAFETENSORS, UNRECOGNISED, file_kind
from ..core.files import read_bytes
from ..errors import CheckpointError, first_line
from .integrity import AGAIN, check_zip, read_member
from .pickle_stream import protocol, translate
from .plain_data import stand_ins

_PLAIN = "Ask its author for a plain state dict or a .safetensors file."
_LEGACY_PICKLES = 5  # in a file of before torch 1.6: magic, version, system, content, keys; then the bare numbers


def read_tensor_file(path: Path) -> object:
    """Read a checkpoint: a safetensors file or one of `torch.save`, of any pickle protocol, whatever it is called.

    Raises
    ------
    CheckpointError
        No such file; empty, truncated, damaged or another kind of file, which is named; a pickle that would run code.
    """
    try:
        kind = file_kind(path)
    except FileNotFoundError as error:
        raise CheckpointError(
            "no such checkpoint file", where=path, cure="Give the path of a .pth, .pt, .pth.tar or .safetensors file."
        ) from error
    except OSError as error:
        raise CheckpointError(
            f"cannot be read ({error.strerror or error})", where=path, cure="Check its permissions."
        ) from error
    if kind.name == SAFETENSORS:
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"not a safetensors file, or a truncated one ({first_line(error)})", where=path, cure=AGAIN
            ) from error
    if kind.name == CHECKPOINT:
        return _read_checkpoint(path)
    if kind.name == PICKLE:
        raise _bare_pickle(path)
    if kind.name == "empty":
        raise CheckpointError("the file is empty", where=path, cure=kind.cure)
    if kind.name == UNRECOGNISED:
        raise CheckpointError("not a PyTorch checkpoint, or a damaged one", where=path, cure=AGAIN)
    raise CheckpointError(f"not a PyTorch checkpoint: it is {kind.what}", where=path, cure=kind.cure)


def _read_checkpoint(path: Path) -> object:
    """`torch.load` with ``weights_only=True``, given the file in a pickle protocol that it follows."""
    names: set[str] = set()
    try:
        source, names = _followed(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(stand_ins(names)):
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            return torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch says both "holds code" and "not a pickle" with this class; only the first names a global or a function.
        if match := re.search(r"(?:GLOBAL|unrecognized function) (\S+)", str(error)):
            raise _code(match[1], names, path) from error
        if "Unsupported operand" in str(error):
            raise CheckpointError(
                "the pickle is damaged or may hold code, and was not loaded", where=path, cure=_PLAIN
            ) from error
        raise CheckpointError(
            f"not a PyTorch checkpoint, or a damaged one ({first_line(error)})", where=path, cure=AGAIN
        ) from error
    except CheckpointError:
        raise
    except Exception as error:  # damaged bytes make the unpickler fail with IndexError, AttributeError and many others
        raise CheckpointError(
            f"truncated or not a PyTorch checkpoint ({first_line(error)})", where=path, cure=AGAIN
        ) from error


def _followed(path: Path) -> tuple[str | io.BytesIO, set[str]]:
    """What `torch.load` is to read, and the globals that its pickle names."""
    if not zipfile.is_zipfile(path):
        return _followed_legacy(path)
    with zipfile.ZipFile(path) as archive:
        check_zip(archive, path)
        entry = next(name for name in archive.namelist() if name.partition("/")[2] == "data.pkl")
        content = read_member(archive, entry)
        translated, names, _end = translate(content)
        if protocol(content) <= 2:
            return str(path), names
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as copy:
            for name in archive.namelist():
                copy.writestr(name, translated if name == entry else read_member(archive, name))
    whole.seek(0)
    return whole, names


def _followed_legacy(path: Path) -> tuple[str | io.BytesIO, set[str]]:
    content, end, parts = read_bytes(path), 0, []
    named: set[str] = set()
    for _ in range(_LEGACY_PICKLES):
        translated, names, end = translate(content, end)
        named |= names
        parts.append(translated)
    if protocol(content) <= 2:
        return str(path), named
    return io.BytesIO(b"".join(parts) + content[end:]), named


def _code(name: str, names: set[str], path: Path) -> CheckpointError:
    """The refusal of a pickle that names code."""
    layers = [one for one in sorted(names) if one.startswith("torch.nn.modules.")]
    if layers:
        strip = f"import torch; torch.save(torch.load({path.name!r}, weights_only=False).state_dict(), 'weights.pth')"
        return CheckpointError(
            f"a whole network was pickled ({name}), so the pickle wants to run code and was not loaded",
            where=path,
            cure=f"Where its code is installed and if you trust it, take the weights out: {python_command(strip)}",
        )
    return CheckpointError(f"the pickle wants to run code ({name}) and was not loaded", where=path, cure=_PLAIN)


def _bare_pickle(path: Path) -> CheckpointError:
    """Why a pickle that torch.save did not write is refused: by what it names, none of which is loaded."""
    content = read_bytes(path)
    try:
        _translated, names, _end = translate(content)
    except ValueError as error:
        return CheckpointError(
            f"a bare pickle, damaged or not to be followed ({first_line(error)})", where=path, cure=_PLAIN
        )
    harmless = {entry[1] for entry in stand_ins(names) if isinstance(entry, tuple)}
    code = sorted(name for name in names - harmless if not re.match(r"(torch|numpy|collections|_codecs)\.", name))
    if code:
        return _code(code[0], names, path)
    if "torch._utils._rebuild_tensor_v2" in names and "torch.storage._load_from_bytes" not in names:
        return CheckpointError(
            "only the data.pkl of a checkpoint that was unpacked: the numbers lie in other files",
            where=path,
            cure="Give the file it was unpacked from, or pack its whole folder again: "
            "python -m zipfile -c weights.pth FOLDER",
        )
    again = f"import pickle, torch; torch.save(pickle.load(open({path.name!r}, 'rb')), 'weights.pth')"
    return CheckpointError(
        "written by pickle.dump and not by torch.save",
        where=path,
        cure=f"If you trust it, write it again: {python_command(again)}",
    )
