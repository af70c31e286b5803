"""What ATC's error texts mean: codes, ATC's words and a cure, whatever style its version prints them in."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

from ..errors import ConvertError
from .run_program import Finished

UNKNOWN = "E19999"  # ATC's own code for an error without one

_NETWORK = "Give ATC a file of osnet export or osnet simplify."
_OPERATOR = "Export with opset 11, which every ATC reads; if that fails too, this CANN lacks the operator: update it."
_GEARS = "Dynamic batch sizes need the dynamic ONNX of osnet export and -1 as the batch in --input_shape."
_OPTION = "Correct the option; atc --help lists what this CANN takes."
_INSTALLATION = (
    "Source CANN's set_env.sh; its python3 needs numpy, decorator, sympy, cffi, attrs, psutil, protobuf and scipy."
)
FEWER_PROCESSES = "Where memory is short, lower the environment variable TE_PARALLEL_COMPILER (default 8 processes)."
ATC_CURES = {
    "E10001": "Correct the value; for soc_version write Ascend and the Name in npu-smi info, a chip that this CANN "
    "serves (recent ones no longer know Ascend310).",
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
    "E13024": "Correct the environment variable; sourcing CANN's set_env.sh sets those that ATC needs.",
    "E13025": "Compare shape and dtype of the input with the model's.",
    "E16001": _NETWORK,
    "E16002": _OPERATOR,
    "E16004": _NETWORK,
    "E16005": "The model lists one operator domain twice: export it again with osnet export.",
    "E19010": _OPERATOR,
    "EC0010": _INSTALLATION,
    "E40000": _INSTALLATION,
    "EZ3003": "No kernel for this operator on this chip: check that the operator package (opp) of the chip is "
    "installed and soc_version right.",
}
_FAMILIES = {
    "EZ": "An operator cannot be compiled for this chip: check soc_version and the operator package (opp).",
    "EE": "The runtime failed: check the installation, and source CANN's set_env.sh.",
    "EL": "The driver failed: check npu-smi info, and that you may open the device.",
    "EC": _INSTALLATION,
}
_SIGNS = {
    "command line flag": _OPTION,
    "missing its argument": _OPTION,
    "Non-option parameter": _OPTION,
    "libascend_hal.so": "On a host without NPU, append CANN's <arch>-linux/devlib to LD_LIBRARY_PATH.",
    "loading shared libraries": _INSTALLATION,
}  # in texts without a code
_LOG = "Look into ~/ascend/log, or run again with log debug and ASCEND_SLOG_PRINT_TO_STDOUT=1."

_CODE = r"[EW][A-Z]?\d{4,5}"
_STAMP = r"(?:\[PID:\s*\d+\]\s*(?:\d{4}-\d\d-\d\d[-T ]\d\d:\d\d:\d\d[\d.:]*\s+)?)?"
# `E10001: words` to CANN 7, `E10001: [PID: 1] time words` in CANN 8, `[PID: 1] time Title(E10001): words` now
_START = re.compile(
    rf"{_STAMP}(?:(?P<old>{_CODE})|(?P<title>[A-Z][\w ]*)\((?P<new>{_CODE})\)):\s*"
    rf"{_STAMP}(?P<words>.*)"
)
_PARTS, _TRACE = ("Possible Cause", "Solution"), "TraceBack"
_PART = re.compile(rf"\s*({'|'.join((*_PARTS, _TRACE))})\b[^:]*:\s*(.*)")
_VERDICT = re.compile(r"^[.\s]*ATC run (?:failed|success).*$", re.MULTILINE)
_NOISE = re.compile(r"\[|\.*(?:ATC .*)?$")  # lines of a log; dots; what ATC says of the run
_FLAG = re.compile(
    r"(?:ERROR:\s*)?(unknown command line flag .*|flag '.*' is missing its argument.*|"
    r"Non-option parameter: .*)"
)


@dataclass(frozen=True)
class AtcMessage:
    """One error or warning of ATC in its own words; cause, solution and trace are empty where ATC gives none."""

    code: str
    words: str
    title: str = ""
    cause: str = ""
    solution: str = ""
    trace: tuple[str, ...] = ()

    @property
    def cure(self) -> str:
        """What to do: ours for a code or a text we know, else ATC's solution, else where to look."""
        for sign, cure in _SIGNS.items():
            if sign in self.words:
                return cure
        return ATC_CURES.get(self.code) or self.solution or _FAMILIES.get(self.code[:2]) or _LOG


class AtcError(ConvertError):
    """ATC refused or failed.

    Attributes
    ----------
    code : str
        Of the error that says most, ``E19999`` where ATC gave none.
    messages : tuple of AtcMessage
        All errors, in ATC's order.
    status : int, optional
        Exit status; negative for the signal that ended ATC.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | PathLike[str] | None = None,
        cure: str | None = None,
        code: str = UNKNOWN,
        messages: Sequence[AtcMessage] = (),
        status: int | None = None,
    ):
        super().__init__(what, where=where, cure=cure)
        self.code, self.messages, self.status = code, tuple(messages), status


def parse_messages(text: str) -> tuple[AtcMessage, ...]:
    """Errors and warnings in what ATC printed, of every CANN's style.

    Only lines that start with a code, or with a title and a code, begin a message: logs and traces mention codes too.
    Complaints about flags, which carry no code, get ``E19999``.
    """
    verdict = _VERDICT.search(text)
    # Complaints about flags come before the verdict, and some end the run without one.
    return (_parse(text[verdict.end() :]) if verdict else ()) or _parse(text)


def _parse(text: str) -> tuple[AtcMessage, ...]:
    found: list[dict[str, list[str]]] = []
    part = "words"
    for line in text.splitlines():
        if start := _START.match(line):
            found.append({"code": [start["old"] or start["new"]], "title": [start["title"] or ""]})
            part, line = "words", start["words"]
        elif flag := _FLAG.match(line):
            found.append({"code": [UNKNOWN]})
            part, line = "words", flag[1]
        elif section := _PART.match(line):
            part, line = section[1], section[2]
        elif _NOISE.match(line):
            continue
        if found:
            found[-1].setdefault(part, []).append(line.strip())
    return tuple(map(_message, found))


def _message(parts: dict[str, list[str]]) -> AtcMessage:
    words, title, cause, solution = (_join(parts.get(key, ())) for key in ("words", "title", *_PARTS))
    return AtcMessage(parts["code"][0], words, title, cause, solution, tuple(filter(None, parts.get(_TRACE, ()))))


def _join(lines: Sequence[str]) -> str:
    words = " ".join(line.strip() for line in lines if line.strip())
    return "" if words.rstrip(".") == "N/A" else words


def atc_error(run: Finished, where: str | PathLike[str] | None) -> AtcError:
    """The exception for a run that failed, about the model `where`."""
    messages = tuple(m for m in parse_messages(run.text) if m.code.startswith("E"))
    if not messages:
        lines = [line.strip() for line in run.text.splitlines() if not _NOISE.match(line.strip())]
        messages = (AtcMessage(UNKNOWN, lines[-1] if lines else "no error text"),)
    # An internal error often precedes the one that explains it.
    main = next((m for m in messages if m.code in ATC_CURES), messages[0])
    others = ", ".join(dict.fromkeys(m.code for m in messages if m is not main))
    what = f"{main.code}: {main.words[:300].rstrip('. ')}{f' (also {others})' if others else ''}"
    if run.status < 0:
        name = signal.Signals(-run.status).name if -run.status in set(signal.Signals) else str(-run.status)
        return AtcError(
            f"ATC was ended by signal {name}; its last words: {what}",
            where=where,
            cure=FEWER_PROCESSES,
            code=main.code,
            messages=messages,
            status=run.status,
        )
    return AtcError(
        f"ATC failed with {what}", where=where, cure=main.cure, code=main.code, messages=messages, status=run.status
    )
