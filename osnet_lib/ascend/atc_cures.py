"""Cures for ATC's errors: by what its text shows, which beats the code, and else by the code."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from .atc_python import TBE_PACKAGES

NEWEST_OPSET = 18  # that an ATC reads; those of CANN 5 read 11 only
OPERATOR_CODES = ("E16002", "E19010", "E40021", "EZ3002", "EZ3003")  # their words list operators, often many
UNCLASSIFIED = ("E19999", "E20001", "E89999", "EZ9999")  # ATC's codes for what it does not know itself

FEWER_PROCESSES = "Where memory is short, lower the environment variable TE_PARALLEL_COMPILER (default 8 processes)."
_NETWORK = "Give ATC a file of osnet export or osnet simplify."
_GEARS = "Dynamic batch sizes need the dynamic ONNX of osnet export and -1 as the batch in --input_shape."
_OPTION = "Correct the option; atc --help lists what this CANN takes."
_PYTHON = "the Python that ATC finds, the first python3 of PATH outside .venv (osnet doctor names and judges it)"
_SOURCE = "Source CANN's set_env.sh"
_INSTALLATION = f"{_SOURCE}, and see that {_PYTHON}, is one that CANN lists and has {', '.join(TBE_PACKAGES.values())}."
_NO_PARSER = (
    "It is a custom operator or one that this CANN does not support, and a lower opset cures nothing: leave it out of "
    "the model (a file of osnet export has none), or update CANN."
)
_NO_KERNEL = (
    "This chip has no kernel for the operators named: check soc_version and that the operator package (opp) of the "
    "chip is installed; else the chip does not support them."
)
_FAULT = "A smaller batch may help; the first ERROR above it in ~/ascend/log, or in a run with log debug, tells more."
LOOK_INTO_LOG = "Look into ~/ascend/log, or run again with log debug and ASCEND_SLOG_PRINT_TO_STDOUT=1."
ATC_CURES = {
    "E10001": "Correct the value that ATC names.",
    "E10002": "Write --input_shape as image:16,3,256,128.",
    "E10003": _OPTION,
    "E10004": "Give the option a value.",
    "E10005": "Write true or false.",
    "E10006": "Write a whole number (0 or 1).",
    "E10007": "Give --framework=5, ONNX.",
    "E10008": "Give --framework=5, ONNX; a weight file belongs to Caffe.",
    "E10010": "Choose debug, info, warning, error or null.",
    "E10012": _GEARS,
    "E10016": "Name the model's own input: image in a file of osnet export.",
    "E10017": "Name the model's input, image, and not an operator inside it.",
    "E10018": "Only the batch may be -1: image:-1,3,256,128.",
    "E10021": "Choose a shorter path.",
    "E10022": "End the output path with a file name, not with a slash.",
    "E10031": _GEARS,
    "E10034": "Leave out input_fp16: AIPP takes uint8.",
    "E10041": _NETWORK,
    "E10047": "Give one of the two options.",
    "E10052": "Write the AIPP file with osnet convert --aipp.",
    "E10054": "Give --model, --output and --soc_version.",
    "E10055": "This CANN cannot do it; leave the option out or update CANN.",
    "E10058": "Give the parameter that ATC names.",
    "E13000": "Check the path.",
    "E13001": "Check that the file exists and may be read.",
    "E13003": "Check that the file may be read.",
    "E13005": "The file is damaged: export it again, or copy it again and compare the sha256.",
    "E13024": f"Correct the environment variable. {_SOURCE}, which sets those that ATC needs.",
    "E13025": "Compare shape and dtype of the input with the model's.",
    "E13026": "Give yourself the right to read and write the file that ATC names.",
    "E16001": _NETWORK,
    "E16002": _NO_PARSER,
    "E16004": _NETWORK,
    "E16005": "The model lists one operator domain twice: export it again with osnet export.",
    "E19010": _NO_PARSER,
    "E19999": LOOK_INTO_LOG,
    "E20001": f"Set TE_PARALLEL_COMPILER=1 to see the error of one process, and check {_PYTHON}.",
    "E40000": _INSTALLATION,
    "E40002": _INSTALLATION,
    "E40020": _INSTALLATION,
    "E40021": _NO_KERNEL,
    "E40024": _INSTALLATION,
    "E89999": LOOK_INTO_LOG,
    "EC0010": _INSTALLATION,
    "EZ3002": _NO_KERNEL,
    "EZ3003": _NO_KERNEL,
    "EZ9999": LOOK_INTO_LOG,
}
FAMILY_CURES = {
    "EZ": "An operator cannot be compiled for this chip: check soc_version and the operator package (opp).",
    "EE": f"The runtime failed: check the installation. {_SOURCE}.",
    "EL": "The driver failed: check npu-smi info, and that you may open the device.",
    "EC": _INSTALLATION,
}
# Of the operator compiler itself: they come with CANN, not from a registry of packages.
_CANNS_MODULES = ("te", "tbe", "topi", "impl", "auto_tune", "schedule_search", "op_gen", "opc_tool", "acl", "hccl")


def _missing_module(found: re.Match[str]) -> str:
    module = found["module"].partition(".")[0]
    if module in _CANNS_MODULES:
        return f"It is part of CANN: {_SOURCE[0].lower()}{_SOURCE[1:]}, or repair the installation."
    package = next((name for start, name in TBE_PACKAGES.items() if start.partition(".")[0] == module), module)
    return f"Install {package} (python3 -m pip install {package}) in {_PYTHON}."


def _operator(found: re.Match[str]) -> str:
    domain, opset = found["domain"], int(found["opset"])
    if domain != "ai.onnx" or opset <= 11:
        return _NO_PARSER
    if opset > NEWEST_OPSET:
        return f"The model has opset {opset}, newer than any ATC reads: export it with opset 11."
    return f"Export it with opset 11, all that CANN 5 reads. Where it has that, or ATC fails again: {_NO_PARSER}"


@dataclass(frozen=True)
class _Sign:
    """A pattern that tells the cause; `codes` limits it to those errors, and to ATC's own words about them."""

    pattern: str
    cure: str | Callable[[re.Match[str]], str]
    codes: tuple[str, ...] = ()


_CHIP = (
    "Write Ascend and the Name in npu-smi info, a chip that this CANN serves (recent ones no longer know Ascend310; "
    "from 8.5 the operator package of the chip must be installed)."
)
_SIGNS = (
    _Sign(r"No module named '?(?P<module>[\w.]+)", _missing_module),
    _Sign(
        r"np\.float_|NumPy 2\.0 release|compiled using NumPy 1|_ARRAY_API|numpy\.core\.multiarray failed",
        f"numpy 2 is too new for CANN's operator compiler: install numpy below 2 in {_PYTHON}.",
    ),
    _Sign(r"FrameLocalsProxy", f"Too new for CANN's operator compiler is {_PYTHON}: put one that CANN lists first."),
    _Sign(
        r"No space left on device|\bENOSPC\b",
        "Free space on the disk of the output, of the temporary folder and of your home (~/atc_data, ~/ascend/log; "
        "kernel_meta in the working folder).",
    ),
    _Sign(r"\bEOFError\b|Cannot allocate memory|\bMemoryError\b|\bBrokenPipeError\b", FEWER_PROCESSES),
    _Sign(
        r"libascend_hal\.so",
        "On a host without NPU, append CANN's <arch>-linux/devlib (older: driver/lib64/stub) to LD_LIBRARY_PATH.",
    ),
    _Sign(r"loading shared libraries|cannot open shared object file", _INSTALLATION),
    _Sign(
        r"host_env_os|host_env_cpu",
        f"{_SOURCE} of a toolkit for this host's processor (uname -m); the soc_version is not the reason.",
        ("E10001", "E10003"),
    ),
    _Sign(r"soc_version", _CHIP, ("E10001", "E10003")),
    _Sign(
        r"auto_tune_mode",
        "Leave it out: newer CANN tunes with a program of its own, aoe.",
        ("E10001", "E10003"),
    ),
    _Sign(r"(?P<domain>[\w.]+)::(?P<opset>\d+)::\w+", _operator, ("E16002", "E19010")),
    _Sign(r"(?i)\bai_?core\b", _FAULT, ("E89999", "EZ9999")),
    _Sign(
        r"Permission denied|\[Errno 13\]",
        "Give yourself the right to read and write the file that ATC names.",
    ),
    _Sign(r"command line flag|missing its argument|Non-option parameter", _OPTION, ("E19999",)),
)


def cause_in(code: str, words: str, log: list[str]) -> tuple[str, str] | None:
    """The line that tells the true cause of an error, and its cure; None where none is known.

    Parameters
    ----------
    code, words : str
        Of the error: its words, cause and trace.
    log : list of str
        All lines that ATC printed, those of lower levels left out.
    """
    for sign in _SIGNS:
        if sign.codes and code not in sign.codes:
            continue
        for line in [words, *([] if sign.codes else log)]:
            if found := re.search(sign.pattern, line):
                return line, sign.cure if isinstance(sign.cure, str) else sign.cure(found)
    return None
