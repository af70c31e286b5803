"""What people's logs showed, in texts of our own: the error says the true cause, and its cure is the right one."""

from __future__ import annotations

import re

import pytest

from osnet_lib.ascend.atc_cures import ATC_CURES, cause_in
from osnet_lib.ascend.atc_errors import atc_error
from osnet_lib.ascend.run_program import Finished

START = "ATC start working now, please wait for a moment.\n...\n"
FAILED = "ATC run failed, Please check the detail log, Try 'atc --help' for more information\n"
STAMP = "[PID: 42] 2026-03-04-05:06:07.089.012 "
ERROR = "[ERROR] TBE(42,python3):2026-03-04-05:06:07.089.012 "


def traceback(last: str, first: str = "") -> str:
    """A Python traceback as a worker of the operator compiler prints it; `first` was raised before `last`."""
    one = 'Traceback (most recent call last):\n  File "compiler.py", line 3, in start\n    import_all()\n'
    return (
        f"{one}{first}\n\nDuring handling of the above exception, another exception occurred:\n\n" if first else ""
    ) + (f"{one}{last}\n")


def old(code: str, words: str, trace: str = "") -> str:
    """An error as CANN to 7 prints it."""
    return f"{code}: {words}\n        Solution: N/A\n        TraceBack (most recent call last):\n        {trace}\n"


def new(code: str, title: str, words: str) -> str:
    """An error as CANN prints it now."""
    return f"{STAMP}{title}({code}): {words}\n        Possible Cause: N/A\n        Solution: N/A\n"


NO_PARSER = "No parser is registered for Op [{name}, optype [{kind}]]."
TYPES = ", ".join(f"CustomOperator{number}" for number in range(60))
MODULE, NUMPY = (
    "ModuleNotFoundError: No module named 'sympy'",
    "AttributeError: module 'numpy' has no np.float_ any more",
)

# The text, the code, what the message must show, what its cure must say, and what it must not.
CASES = {
    "a module is missing, E40000": (
        START + traceback(MODULE) + FAILED + old("E40000", "Failed to start the compiler."),
        "E40000",
        "told by: ModuleNotFoundError: No module named 'sympy'",
        "Install sympy .*first python3 of PATH outside .venv",
        "set_env",
    ),
    "a module is missing, EC0010": (
        START
        + traceback("ImportError: No module named 'attr'")
        + FAILED
        + new("EC0010", "Import_Error", "Python said no."),
        "EC0010",
        "No module named 'attr'",
        "Install attrs ",
        "set_env",
    ),
    "a module is missing, in ATC's own words": (
        START + FAILED + old("EC0010", "Failed to import Python module [No module named 'google'.]."),
        "EC0010",
        "No module named 'google'",
        "Install protobuf ",
        "set_env",
    ),
    "a module of CANN is missing": (
        START + traceback("ModuleNotFoundError: No module named 'tbe.common'") + FAILED + old("E40000", "No start."),
        "E40000",
        "No module named 'tbe.common'",
        "part of CANN: source CANN's set_env.sh",
        "pip",
    ),
    "the first of two exceptions is the cause": (
        START
        + traceback("RuntimeError: pool is gone", "KeyError: 'socInfo'")
        + FAILED
        + old("EC0010", "Python said no."),
        "EC0010",
        "told by: KeyError: 'socInfo'",
        "is one that CANN lists and has attrs, cython, numpy",
        "pool",
    ),
    "numpy 2, by its attribute": (
        START + traceback(NUMPY) + FAILED + new("EC0010", "Import_Error", "Python said no."),
        "EC0010",
        "np.float_",
        "numpy 2 is too new .* install numpy below 2",
        "sympy",
    ),
    "numpy 2, by its message": (
        START
        + ERROR
        + "AttributeError: it was dropped in the NumPy 2.0 release\n"
        + FAILED
        + old("E40000", "No start."),
        "E40000",
        "NumPy 2.0 release",
        "install numpy below 2",
        "sympy",
    ),
    "host_env_os": (
        START + FAILED + new("E10001", "Invalid_Argument", "Value linux for parameter --host_env_os is invalid."),
        "E10001",
        "host_env_os",
        "Source CANN's set_env.sh of a toolkit for this host's processor",
        "npu-smi",
    ),
    "soc_version": (
        START + FAILED + new("E10001", "Invalid_Argument", "Value Ascend310 for parameter --soc_version is invalid."),
        "E10001",
        "Ascend310 for parameter --soc_version",
        "a chip that this CANN serves",
        "set_env",
    ),
    "auto_tune_mode": (
        START + FAILED + old("E10001", "Value [RL,GA] for parameter [--auto_tune_mode] is invalid."),
        "E10001",
        "auto_tune_mode",
        "Leave it out.*aoe",
        "npu-smi",
    ),
    "any other value": (
        START + FAILED + old("E10001", "Value [half] for parameter [--output_type] is invalid."),
        "E10001",
        "output_type",
        "Correct the value",
        "npu-smi",
    ),
    "no framework": (
        START + FAILED + old("E10007", "[--framework] is required."),
        "E10007",
        "framework",
        "--framework=5",
        "log",
    ),
    "no such input": (
        START + FAILED + old("E10016", "Opname [input] of [--input_shape] is not in the model."),
        "E10016",
        "input",
        "image in a file of osnet export",
        "log",
    ),
    "a required option": (
        START + FAILED + new("E10054", "Missing_Argument", "The parameter --soc_version is empty."),
        "E10054",
        "soc_version is empty",
        "Give --model, --output and --soc_version",
        "npu-smi",
    ),
    "one domain twice": (
        START + FAILED + old("E16005", "The model has [2] entries of domain [ai.onnx]."),
        "E16005",
        "2",
        "export it again with osnet export",
        "opset 11",
    ),
    "no parser at opset 11": (
        START + FAILED + old("E19010", NO_PARSER.format(name="/nms", kind="ai.onnx::11::NonMaxSuppression")),
        "E19010",
        "ai.onnx::11::NonMaxSuppression",
        "a custom operator or one that this CANN does not support, and a lower opset cures nothing",
        "export it with opset 11",
    ),
    "no parser for a domain of one's own": (
        START + FAILED + new("E16002", "Not_Supported_Operator", "No parser for Op x, optype com.mine::17::Fused."),
        "E16002",
        "com.mine::17::Fused",
        "a lower opset cures nothing",
        "export it with opset 11",
    ),
    "no parser at a new opset": (
        START + FAILED + old("E19010", NO_PARSER.format(name="/conv", kind="ai.onnx::23::Conv")),
        "E19010",
        "ai.onnx::23::Conv",
        "has opset 23, newer than any ATC reads: export it with opset 11",
        "custom",
    ),
    "no parser at an opset that only CANN 5 does not read": (
        START + FAILED + old("E19010", NO_PARSER.format(name="/conv", kind="ai.onnx::13::Conv")),
        "E19010",
        "ai.onnx::13::Conv",
        "Export it with opset 11, all that CANN 5 reads",
        "newer",
    ),
    "every operator without parser is named": (
        START
        + FAILED
        + "".join(old("E19010", NO_PARSER.format(name=n, kind=f"ai.onnx::11::Odd{n}")) for n in range(40)),
        "E19010",
        "Odd0.*Odd20.*Odd39",
        "a lower opset",
        "also",
    ),
    "E20001": (
        START + FAILED + old("E20001", "Something failed."),
        "E20001",
        "Something failed",
        "TE_PARALLEL_COMPILER=1 .* Python that ATC finds",
        "chip",
    ),
    "E40002": (
        START + FAILED + old("E40002", "No TBE."),
        "E40002",
        "No TBE",
        "set_env.sh, and see that the Python",
        "chip",
    ),
    "E40020": (
        START + FAILED + old("E40020", "No TBE."),
        "E40020",
        "No TBE",
        "set_env.sh, and see that the Python",
        "chip",
    ),
    "E40024": (
        START + FAILED + old("E40024", "No TBE."),
        "E40024",
        "No TBE",
        "set_env.sh, and see that the Python",
        "chip",
    ),
    "a list of operator types, E40021": (
        START + FAILED + old("E40021", f"No kernel for optype [{TYPES}]."),
        "E40021",
        "CustomOperator0, .*CustomOperator59",
        "no kernel for the operators named: check soc_version and .*operator package",
        "Python",
    ),
    "a list of operator types, EZ3002": (
        START + FAILED + old("EZ3002", f"Optype [{TYPES}] is not supported.", "in Select"),
        "EZ3002",
        "CustomOperator0, .*CustomOperator59",
        "operator package",
        "Python",
    ),
    "a list of operator types, EZ3003": (
        START + FAILED + old("E19999", "Inner Error!") + new("EZ3003", "No_Operator", f"No engine for optype {TYPES}."),
        "EZ3003",
        r"CustomOperator59 \(also E19999\)",
        "operator package",
        "Python",
    ),
    "a fault of the device, E89999": (
        START + FAILED + old("E89999", "Inner Error!", "Aicore kernel of conv2d failed"),
        "E89999",
        "Inner Error",
        "A smaller batch may help; the first ERROR",
        "DEBUG",
    ),
    "a fault of the device, EZ9999": (
        START + FAILED + old("EZ9999", "Inner Error! The aicore execution is abnormal."),
        "EZ9999",
        "aicore execution",
        "A smaller batch may help",
        "DEBUG",
    ),
    "unclassified: the first error above tells": (
        START
        + ERROR
        + "[infer.cc:12]42 Shape: rank 3 is wrong\n"
        + ERROR
        + "gave up\n"
        + FAILED
        + old("EZ9999", "Inner!"),
        "EZ9999",
        r"told by: \[infer.cc:12\]42 Shape: rank 3 is wrong",
        "ascend/log",
        "gave up",
    ),
    "unclassified, and the chip's name beside": (
        START + FAILED + old("E19999", "Inner Error!") + old("E10016", "Opname [x] is not in the model."),
        "E10016",
        r"\(also E19999\)",
        "Name the model's own input",
        "ascend/log",
    ),
    "out of memory, by EOFError": (
        START + traceback("EOFError") + FAILED + old("E40000", "A process is gone."),
        "E40000",
        "told by: EOFError",
        "lower the environment variable TE_PARALLEL_COMPILER",
        "set_env",
    ),
    "out of memory, by its name": (
        START + ERROR + "OSError: [Errno 12] Cannot allocate memory\n" + FAILED + old("E19999", "Inner Error!"),
        "E19999",
        "Cannot allocate memory",
        "TE_PARALLEL_COMPILER",
        "set_env",
    ),
    "a Python too new": (
        START + traceback("TypeError: cannot pickle 'FrameLocalsProxy' object") + FAILED + old("E40000", "No start."),
        "E40000",
        "FrameLocalsProxy",
        "Too new for CANN's operator compiler .*put one that CANN lists first",
        "sympy",
    ),
    "lines of a log only": (
        START + ERROR + "first it failed\n" + ERROR + "[graph.cc:9]42 at last it told\n" + FAILED,
        "E19999",
        r"E19999: \[graph.cc:9\]42 at last it told",
        "ascend/log",
        "first it failed",
    ),
    "lines of a log without a process": (
        START + "[ERROR] one\n[INFO] two\n[ERROR] three\n[INFO] four\n" + FAILED,
        "E19999",
        "E19999: three",
        "ascend/log",
        "two|four",
    ),
    "no room": (
        START + traceback("OSError: [Errno 28] No space left on device") + FAILED + old("E40000", "No start."),
        "E40000",
        "No space left on device",
        "~/atc_data.*kernel_meta",
        "sympy",
    ),
    "no room, in ATC's own words": (
        START + FAILED + old("E13001", "Failed to open [x]. Reason: No space left on device."),
        "E13001",
        "No space left",
        "Free space on the disk",
        "exists",
    ),
    "no right, E13026": (
        START + FAILED + new("E13026", "File_Error", "No right to write /srv/x.om."),
        "E13026",
        "/srv/x.om",
        "Give yourself the right",
        "log",
    ),
    "no right, by its name": (
        START + FAILED + old("E13001", "Failed to open file [/srv/a]. Reason: [Errno 13] Permission denied."),
        "E13001",
        "/srv/a",
        "Give yourself the right",
        "exists",
    ),
    "no driver": (
        "atc.bin: error while loading shared libraries: libascend_hal.so: cannot open shared object file\n",
        "E19999",
        "libascend_hal.so",
        "<arch>-linux/devlib .*LD_LIBRARY_PATH",
        "Python",
    ),
    "another library": (
        "atc.bin: error while loading shared libraries: libge_compiler.so: cannot open shared object file\n",
        "E19999",
        "libge_compiler.so",
        "Source CANN's set_env.sh",
        "devlib",
    ),
    "what a lower level logs is no cause": (
        START + "[INFO] no scipy: No module named 'scipy'\n" + FAILED + old("E10022", "Path [x/] has no file name."),
        "E10022",
        "no file name",
        "End the output path with a file name",
        "scipy",
    ),
}


@pytest.mark.parametrize("text, code, shown, cure, never", CASES.values(), ids=CASES)
def test_the_true_cause_and_its_cure(text, code, shown, cure, never):
    error = atc_error(Finished(255, text, 1.0), "m.onnx")
    assert error.code == code and len(str(error).splitlines()) == 1
    assert re.search(shown, error.what), error.what
    assert re.search(cure, error.cure), error.cure
    assert not re.search(never, str(error)), str(error)


def test_the_table_is_as_long_as_was_asked():
    assert len(CASES) >= 25


def test_a_program_that_was_killed_for_a_reason_that_shows():
    error = atc_error(Finished(-9, START + "OSError: [Errno 28] No space left on device\n", 1.0), "m.onnx")
    assert "was ended by signal SIGKILL" in error.what and "Free space" in error.cure
    assert "TE_PARALLEL_COMPILER" in atc_error(Finished(-9, START, 1.0), "m.onnx").cure


def test_long_words_are_cut_but_a_list_of_operators_is_not():
    long = "a word " * 100
    assert len(atc_error(Finished(1, FAILED + old("E10022", long), 1.0), "m").what) < 400
    assert TYPES in atc_error(Finished(1, FAILED + old("EZ3003", f"optype [{TYPES}]"), 1.0), "m").what


def test_no_sign_no_cause():
    assert cause_in("E10016", "Opname [x] is not in the model", ["a line"]) is None
    assert all(cure.endswith((".", ")")) for cure in ATC_CURES.values())
