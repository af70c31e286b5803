"""ATC's error texts, as every version prints them, become code, words and cure."""

from __future__ import annotations

import signal
import string

import pytest
from hypothesis import given, strategies as st

from osnet_lib.ascend.atc_cures import ATC_CURES
from osnet_lib.ascend.atc_errors import NO_CODE, AtcError, AtcMessage, atc_error, parse_messages
from osnet_lib.ascend.run_program import Finished
from osnet_lib.errors import ConvertError

START = "ATC start working now, please wait for a moment.\n....\n...\n"
FAILED = START + "ATC run failed, Please check the detail log, Try 'atc --help' for more information\n"

OLD = (
    FAILED
    + """E10016: Opname [input] specified in [--input_shape] is not found in the model.
        Solution: Specify the name of an existing node.
        TraceBack (most recent call last):
        [Check][Param] E10003 failed[FUNC:Parse][FILE:a.cc][LINE:7]
        Failed to parse.
"""
)
CANN8 = (
    FAILED
    + """EC0010: [PID: 129520] 2025-07-08-10:25:28.680.962 Failed to import [No module named 'decorator'.].
        Solution: Check that all required components are properly installed.
        TraceBack (most recent call last):
        Failed to init tbe.[FUNC:InitializeTeFusion][FILE:tbe_op_store_adapter.cc][LINE:1816]
"""
)
NEW = (
    FAILED
    + """[PID: 7] 2026-01-02-03:04:05.678.901 Invalid_Argument(E10001): Value x for --soc_version is invalid.
        Possible Cause: N/A
        Solution: Try again with a valid argument.

"""
)
SEVERAL = (
    FAILED
    + """E19999: Inner Error!
E19999  Inner Error, please contact support engineer!
        TraceBack (most recent call last):
        Build failed
EZ3003: No supported Ops kernel and engine are found for [A], optype [A].
        Possible Cause: The operator is not supported by the system. Therefore, no hit is found
        in any operator information library.
        Solution: 1. Check the OPP component. 2. Submit an issue.
"""
)

SAMPLES = [
    (
        OLD,
        [
            AtcMessage(
                "E10016",
                "Opname [input] specified in [--input_shape] is not found in the model.",
                "",
                "",
                "Specify the name of an existing node.",
                ("[Check][Param] E10003 failed[FUNC:Parse][FILE:a.cc][LINE:7]", "Failed to parse."),
            )
        ],
    ),
    (
        CANN8,
        [
            AtcMessage(
                "EC0010",
                "Failed to import [No module named 'decorator'.].",
                "",
                "",
                "Check that all required components are properly installed.",
                ("Failed to init tbe.[FUNC:InitializeTeFusion][FILE:tbe_op_store_adapter.cc][LINE:1816]",),
            )
        ],
    ),
    (
        NEW,
        [
            AtcMessage(
                "E10001",
                "Value x for --soc_version is invalid.",
                "Invalid_Argument",
                "",
                "Try again with a valid argument.",
            )
        ],
    ),
    (
        SEVERAL,
        [
            AtcMessage(
                "E19999", "Inner Error! E19999  Inner Error, please contact support engineer!", trace=("Build failed",)
            ),
            AtcMessage(
                "EZ3003",
                "No supported Ops kernel and engine are found for [A], optype [A].",
                cause="The operator is not supported by the system. Therefore, no hit is found in any "
                "operator information library.",
                solution="1. Check the OPP component. 2. Submit an issue.",
            ),
        ],
    ),
    (
        FAILED + "E10007: [--framework] is required. The value must be [5(Onnx)].\n",
        [AtcMessage("E10007", "[--framework] is required. The value must be [5(Onnx)].")],
    ),
    (
        FAILED + "E10007: [PID: 10490] 2025-03-18-09:02:18.501.341 [--framework] is required.\n",
        [AtcMessage("E10007", "[--framework] is required.")],
    ),
    (
        FAILED + "[PID: 1] 2026-01-02 03:04:05 Inner Error(E40000): a\r\nE10010: b\r\n",
        [AtcMessage("E40000", "a", "Inner Error"), AtcMessage("E10010", "b")],
    ),
    (START + "ERROR: unknown command line flag 'x'\n", [AtcMessage(NO_CODE, "unknown command line flag 'x'")]),
    ("ERROR: unknown command line flag 'x'\n" + FAILED, [AtcMessage(NO_CODE, "unknown command line flag 'x'")]),
    (
        "[ERROR] GE(7,atc.bin):E10001: of a log\n" + FAILED + "E10010: b\n[INFO] E10004: log\n",
        [AtcMessage("E10010", "b")],
    ),
    (
        START + "ATC run success, welcome to the next use.\n[PID: 1] 2026-01-02-03:04:05.6 Config(W11002): slow\n",
        [AtcMessage("W11002", "slow", "Config")],
    ),
    (FAILED, []),
    (START, []),
    ("", []),
]


@pytest.mark.parametrize("text, messages", SAMPLES)
def test_samples(text, messages):
    assert list(parse_messages(text)) == messages


words = st.text(string.ascii_letters + string.digits + " .,'[]()-_/=", min_size=1, max_size=40).map(
    lambda w: " ".join(["Say", *w.split()])
)
codes = st.one_of(
    st.sampled_from(sorted(ATC_CURES)),
    st.from_regex(r"E[A-Z]\d{4}", fullmatch=True),
    st.from_regex(r"E\d{5}", fullmatch=True),
)
perhaps = st.one_of(st.just(""), words)
messages = st.lists(st.builds(AtcMessage, codes, words, st.just(""), perhaps, perhaps), min_size=1, max_size=4)


def printed(message: AtcMessage, style: str) -> str:
    """The message as the three generations of CANN print it, by the facts and not by the parser."""
    stamp = "[PID: 123] 2026-01-02-03:04:05.678.901 "
    first = {
        "old": f"{message.code}: {message.words}",
        "pid": f"{message.code}: {stamp}{message.words}",
        "new": f"{stamp}Some_Title({message.code}): {message.words}",
    }[style]
    more = [
        f"Possible Cause: {message.cause or 'N/A'}",
        f"Solution: {message.solution or 'N/A'}",
        "TraceBack (most recent call last):",
        "E10010 in a trace",
    ]
    return "\n".join([first, *(f"        {line}" for line in more)]) + "\n"


@given(messages=messages, style=st.sampled_from(["old", "pid", "new"]), noise=st.text(string.printable, max_size=80))
def test_every_style_gives_the_same_messages(messages, style, noise):
    text = noise.replace("ATC run", "") + "\n" + FAILED + "".join(printed(m, style) for m in messages)
    found = parse_messages(text)
    assert [(m.code, m.words, m.cause, m.solution) for m in found] == [
        (m.code, m.words, m.cause, m.solution) for m in messages
    ]
    assert all(m.trace == ("E10010 in a trace",) for m in found)


@given(st.text(max_size=300))
def test_any_text_gives_an_error_with_a_cure(text):
    error = atc_error(Finished(255, text, 1.0), "a.onnx")
    assert isinstance(error, ConvertError) and error.code and error.cure and error.messages
    assert str(error).startswith("a.onnx: ATC failed with E") and len(str(error).splitlines()) == 1


@pytest.mark.parametrize("code", sorted(ATC_CURES))
def test_each_known_code_has_our_cure(code):
    error = atc_error(Finished(255, FAILED + f"{code}: what ATC says.\n        Solution: Guess.\n", 1.0), "a.onnx")
    assert (error.code, error.cure, error.status) == (code, ATC_CURES[code], 255)
    assert str(error) == f"a.onnx: ATC failed with {code}: what ATC says. {ATC_CURES[code]}"


@pytest.mark.parametrize(
    "text, status, code, words, cure",
    [
        (SEVERAL, 255, "EZ3003", r"No supported Ops .* \(also E19999\)", "operators named: .* operator package"),
        (FAILED + "E10999: odd\n        Solution: Do this.\n", 255, "E10999", "odd", "Do this"),
        (FAILED + "EE1234: odd\n        Solution: N/A\n", 255, "EE1234", "odd", "runtime failed"),
        (FAILED + "E10999: odd\n", 255, "E10999", "odd", "ascend/log"),
        (FAILED, 255, NO_CODE, "no error text", "ascend/log"),
        ("", 1, NO_CODE, "no error text", "ascend/log"),
        (
            "atc.bin: error while loading shared libraries: libascend_hal.so: cannot open\n",
            127,
            NO_CODE,
            "libascend_hal.so",
            "devlib",
        ),
        (START + "unknown command line flag 'x'\n", 1, NO_CODE, "unknown command line flag 'x'", "atc --help"),
        (START, -signal.SIGKILL, NO_CODE, "ended by signal SIGKILL", "TE_PARALLEL_COMPILER"),
        (START, -99, NO_CODE, "ended by signal 99", "TE_PARALLEL_COMPILER"),
    ],
)
def test_the_error_that_says_most(text, status, code, words, cure):
    with pytest.raises(AtcError, match=f"^m.onnx: ATC .*{words}.*{cure}") as caught:
        raise atc_error(Finished(status, text, 1.0), "m.onnx")
    assert (caught.value.code, caught.value.status) == (code, status)
