"""What ATC's error texts mean: codes, ATC's words, the true cause and a cure, in every style that it prints."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

from ..errors import ConvertError
from .atc_cures import (
    ATC_CURES,
    FAMILY_CURES,
    FEWER_PROCESSES,
    LOOK_INTO_LOG,
    OPERATOR_CODES,
    UNCLASSIFIED,
    cause_in,
)
from .run_program import Finished

NO_CODE = "E19999"  # ATC's own code for an error without one
_SHOWN = 300  # characters of an error's words; a list of operators is shown whole

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
_LOWER = re.compile(r"\s*\[(?:DEBUG|INFO|WARNING|EVENT|TRACE)\]")
_LOGGED = re.compile(r"\[ERROR\]\s*(?:\w+\(\d+,[^)]*\):\s*[\d.:-]*\s*)?(?P<said>.*)")
_PYTHON_TRACE = "Traceback (most recent call last)"  # ATC's own has a capital B
_EXCEPTION = re.compile(r"(?:^|\s)[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit)\b(?::|$)")
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
        code: str = NO_CODE,
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
            found.append({"code": [NO_CODE]})
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
    """The exception for a run that failed, about the model `where`: ATC's words, and the true cause where it shows."""
    messages = tuple(m for m in parse_messages(run.text) if m.code.startswith("E"))
    log = [line.strip() for line in run.text.splitlines() if not _LOWER.match(line)]
    if not messages:
        messages = (AtcMessage(NO_CODE, _last_words(log)),)
    main = _main(messages)
    words = _words(main, messages)
    others = ", ".join(dict.fromkeys(m.code for m in messages if m.code != main.code))
    cause = cause_in(main.code, " ".join([words, main.cause, *main.trace]), log)
    what = f"{main.code}: {words}{f' (also {others})' if others else ''}"
    if hint := _hint(main, words, cause, log):
        what += f"; {hint}"
    cure = cause[1] if cause else ATC_CURES.get(main.code) or main.solution or FAMILY_CURES.get(main.code[:2])
    if run.status < 0:
        name = signal.Signals(-run.status).name if -run.status in set(signal.Signals) else str(-run.status)
        what, cure = f"was ended by signal {name}; its last words: {what}", cause[1] if cause else FEWER_PROCESSES
    else:
        what = f"failed with {what}"
    return AtcError(
        f"ATC {what}",
        where=where,
        cure=cure or LOOK_INTO_LOG,
        code=main.code,
        messages=messages,
        status=run.status,
    )


def _main(messages: Sequence[AtcMessage]) -> AtcMessage:
    """The error that says most: an unclassified one often precedes the one that explains it."""
    for wanted in (lambda m: m.code in ATC_CURES, lambda m: True):
        for message in messages:
            if message.code not in UNCLASSIFIED and wanted(message):
                return message
    return messages[0]


def _words(main: AtcMessage, messages: Sequence[AtcMessage]) -> str:
    """Its words; of operators that ATC refuses one by one, all of them."""
    if main.code not in OPERATOR_CODES:
        return main.words[:_SHOWN].rstrip(". ")
    return "; ".join(dict.fromkeys(m.words.rstrip(". ") for m in messages if m.code == main.code))


def _hint(main: AtcMessage, words: str, cause: tuple[str, str] | None, log: Sequence[str]) -> str:
    """What else must be seen: the line that tells the cause, a traceback's end, the first error of a log."""
    told = cause[0] if cause and cause[0] in log else _traceback_end(log)
    logged = [line for line in map(_without_prefix, log) if line]
    if not told and main.code in UNCLASSIFIED and main.words not in logged:
        told = next(iter(logged), "")
    told = " ".join(_without_prefix(told).split() or told.split())[:_SHOWN].rstrip(". ")
    return f"the cause is told by: {told}" if told and told not in words else ""


def _traceback_end(log: Sequence[str]) -> str:
    """The exception of the first Python traceback; those that follow were raised while it was handled."""
    lines = iter(log)
    for line in lines:
        if _PYTHON_TRACE in line:
            return next((line for line in lines if _EXCEPTION.search(line)), "")
    return ""


def _without_prefix(line: str) -> str:
    """What an ``[ERROR]`` line of a log says, without level, process and time; empty for another line."""
    found = _LOGGED.match(line)
    return found["said"].strip() if found else ""


def _last_words(log: Sequence[str]) -> str:
    """Where there is no code: the exception of a traceback, the last ``[ERROR]`` line, the last line, or that."""
    logged = [said for said in map(_without_prefix, log) if said]
    plain = [line for line in log if line and not _NOISE.match(line)]
    return " ".join((_traceback_end(log) or (logged or plain or ["no error text"])[-1]).split())
