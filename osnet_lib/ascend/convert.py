"""ONNX to Ascend OM: ATC's work checked before it runs, and proved by the file it leaves."""

from __future__ import annotations

import os
import re
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from ..conversion.onnx_file import OnnxFile, inspect_onnx
from ..core.conditions import short
from ..core.files import sha256
from ..core.line import one_line
from ..errors import ConvertError, ExportError
from .aipp import read_aipp
from .atc import AtcCommand
from .atc_cures import FEWER_PROCESSES
from .atc_errors import AtcError, AtcMessage, atc_error, parse_messages
from .atc_python import HostPython, atc_environment, find_atc_python
from .cann import cann_version, find_atc
from .run_program import Finished, run_program


@dataclass(frozen=True)
class OmFile:
    """A converted model.

    Attributes
    ----------
    path : Path
        Always ``<output>.om``.
    host : str, optional
        Such as ``linux_x86_64``, where ATC wrote ``<output>_linux_x86_64.om``: it holds code for such hosts only.
    seconds : float
        What ATC took.
    warnings : tuple of AtcMessage
        What ATC warned of.
    python : HostPython or None
        The Python that ATC found for its operator compiler; None where it found none.
    """

    path: Path
    sha256: str
    command: AtcCommand
    host: str | None
    seconds: float
    warnings: tuple[AtcMessage, ...]
    python: HostPython | None = None

    def __repr__(self) -> str:
        batches = ", ".join(map(str, self.command.batch_sizes))
        return one_line(
            f"{self.path.name} (sha256 {short(self.sha256)}): {self.command.soc_version}, batch {batches}, made in "
            f"{self.seconds:.1f} s, {len(self.warnings)} warnings"
        )


def conversion_status() -> str:
    """One sentence: whether OMs can be made on this machine, and with which Python of the host."""
    atc = find_atc()
    if atc is None:
        return "ATC is not installed here, so no OM is made; run these commands on a host with CANN."
    python = find_atc_python() or "no python3, which it needs"
    return f"ATC is installed ({atc}) and will find {python}; run these commands to make the OMs."


def opsets(cann: tuple[int, int] | None) -> range:
    """The ONNX opsets that ATC reads: 11 for CANN 5, 11 to 18 since, and for a CANN of unknown version."""
    return range(11, 12) if cann and cann[0] <= 5 else range(11, 19)


def model_batch(model: str | Path) -> int:
    """The batch size that an ONNX is fixed to; ConvertError where it is not, or is not this network."""
    found = _inspect(model)
    if found.batch_size is None:
        raise ConvertError(
            "its batch is dynamic, so the batch sizes must be given",
            where=model,
            cure="Give one, or several for one OM with gears.",
        )
    return found.batch_size


def model_input(model: str | Path) -> str:
    """The name of an ONNX's input; ConvertError where ATC cannot take it, or it is not this network."""
    name = _inspect(model).input_name
    if bad := re.search(r"[:;,\s]", name):
        raise ConvertError(
            f"its input is called {name!r}, and {bad[0]!r} has a meaning of its own in ATC's options",
            where=model,
            cure="Export it with another name of the input, such as image.",
        )
    return name


def _inspect(model: str | Path) -> OnnxFile:
    try:
        return inspect_onnx(model, expect_osnet=True)
    except ExportError as error:
        raise ConvertError(error.what, where=model, cure=error.cure) from error


def check_conversion(command: AtcCommand, cann: tuple[int, int] | None = None) -> None:
    """Find what ATC would find late, or say unclearly.

    Raises
    ------
    ConvertError
        A model that is missing, damaged, not this network, of an opset this CANN cannot read or fixed to another batch;
        an AIPP file that is missing or `osnet_lib.ascend.aipp.parse_aipp` refuses.
    """
    found, known = _inspect(command.model), opsets(cann)
    if found.opset not in known:
        version = f"CANN {cann[0]}.{cann[1]}" if cann else "ATC"
        raise ConvertError(
            f"it has opset {found.opset}, and {version} reads {known.start}"
            f"{f' to {known[-1]}' if len(known) > 1 else ''}",
            where=command.model,
            cure="Export it with opset 11, which every ATC reads.",
        )
    if found.input_name != command.input_name:
        raise ConvertError(
            f"its input is called {found.input_name}, not {command.input_name}",
            where=command.model,
            cure=f"Give input_name={found.input_name!r}.",
        )
    if command.dynamic and found.batch_size is not None:
        raise ConvertError(
            f"it is fixed to batch size {found.batch_size}, so it cannot have several",
            where=command.model,
            cure="Give the file of osnet export, whose batch is dynamic.",
        )
    if found.batch_size not in (None, *command.batch_sizes):
        raise ConvertError(
            f"it is fixed to batch size {found.batch_size}, not {command.batch_sizes[0]}",
            where=command.model,
            cure=f"Give batch size {found.batch_size}, or simplify for another.",
        )
    if command.aipp is not None:
        read_aipp(command.aipp)  # refuses what would make the device see other pixels than a session sends


def _check_paths(*paths: Path | None) -> None:
    for path in filter(None, paths):
        if bad := re.search(r"[^\w./-]", str(path)):
            raise ConvertError(
                f"ATC takes no {bad[0]!r} in a path",
                where=path,
                cure="Use letters, digits, '_', '-' and '.' in the names of files and folders.",
            )


def convert(
    command: AtcCommand,
    *,
    timeout: float = 7200,
    progress: bool = True,
    say: Callable[[str], object] = print,
    atc: Path | None = None,
) -> OmFile | None:
    """Make an OM.

    ATC works in a temporary folder beside the output, which takes whatever else it drops there; the OM is moved to its
    place only after ATC ended well, so a run that is killed leaves nothing behind that looks like an OM.

    Parameters
    ----------
    command : AtcCommand
    timeout : float
        Seconds until ATC is stopped. On small boards with an NPU it can take hours.
    progress : bool
        Show ATC's lines as they come.
    say : callable
        Gets one sentence and the command where CANN is missing.
    atc : Path, optional
        The program; `find_atc` by default.

    Returns
    -------
    OmFile or None
        None without CANN. A Python of the host with which ATC cannot compile operators is warned of first.

    Raises
    ------
    AtcError
        ATC failed, or left no OM; carries its code, its words and a cure.
    ConvertError
        What `check_conversion` refuses; a path with characters that ATC refuses, or that cannot be written; the time
        limit.
    """
    if not timeout > 0:
        raise ConvertError(f"{timeout} s", where="timeout", cure="Give a number of seconds above 0.")
    atc = atc or find_atc()
    cann = cann_version(atc) if atc else None
    check_conversion(command, cann)
    if atc is None:
        say("ATC is not installed here, so no OM is made; run this command on a host with CANN:")
        say(str(command))
        return None
    final = command.output.with_name(f"{command.output.name}.om")
    absolute = replace(
        command,
        model=command.model.resolve(),
        output=command.output.resolve(),
        aipp=command.aipp and Path(command.aipp).resolve(),
    )  # ATC runs in another folder
    _check_paths(absolute.model, absolute.output, absolute.aipp)
    python = _check_python(cann)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{final.stem}.", suffix=".tmp", dir=final.parent.resolve()) as folder:
            prefix = Path(folder, final.stem)
            run = _run(atc, replace(absolute, output=prefix), Path(folder), timeout, progress)
            if run.status != 0:
                raise atc_error(run, command.model)
            made = _proof(prefix, command.model)
            os.replace(made, final)
    except TimeoutError as error:
        raise ConvertError(
            f"ATC was not done after {timeout:g} s and was stopped",
            where=command.model,
            cure=f"Give it more time. {FEWER_PROCESSES}",
        ) from error
    except OSError as error:
        raise ConvertError(
            f"ATC cannot be started or its OM not be written ({error.strerror or error})",
            where=error.filename or final,
            cure="Check that path and its permissions.",
        ) from error
    warned = tuple(m for m in parse_messages(run.text) if m.code.startswith("W"))
    host = made.stem.removeprefix(prefix.name)[1:] or None
    return OmFile(final, sha256(final), command, host, run.seconds, warned, python)


def _check_python(cann: tuple[int, int] | None) -> HostPython | None:
    """The Python that ATC will find, with a warning where its operators will not, or may not, compile with it."""
    python = find_atc_python()
    if python is None:
        warnings.warn("ATC's operator compiler needs a python3, and there is none on PATH outside .venv", stacklevel=3)
    elif wrong := python.faults(cann) + python.unlisted(cann):
        warnings.warn(f"ATC's Python, {python}, {'; '.join(wrong)}. {python.cure()}", stacklevel=3)
    return python


def _run(atc: Path, command: AtcCommand, folder: Path, timeout: float, progress: bool) -> Finished:
    with tqdm(desc=f"ATC {command.output.name}", bar_format="{desc} [{elapsed}]{postfix}", disable=not progress) as bar:

        def show(line: str) -> None:
            if line.strip(". "):
                bar.set_postfix_str(line.strip()[:80], refresh=False)
                bar.update()
            else:
                bar.refresh()

        return run_program(
            (str(atc.absolute()), *command.arguments[1:]),
            folder=folder,
            timeout=timeout,
            on_line=show,
            environ=atc_environment(),
        )


def _proof(prefix: Path, model: Path) -> Path:
    """The OM that must be there; ATC adds system and processor to its name where it holds code for the host."""
    for path in (prefix.with_name(f"{prefix.name}.om"), *sorted(prefix.parent.glob(f"{prefix.name}_linux_*.om"))):
        if path.is_file() and path.stat().st_size:
            return path
    raise AtcError(
        "ATC ended with status 0 and wrote no OM",
        where=model,
        status=0,
        cure="Check the space on the disk, and look into ~/ascend/log.",
    )
