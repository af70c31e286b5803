"""Every way a command can end has one exit code and at most one line, whatever the command."""

from __future__ import annotations

import errno
import inspect
import re

import pytest

from osnet_lib import errors
from osnet_lib.cli import main as cli
from osnet_lib.cli.outcomes import MEANINGS, Outcome, outcome

PARSERS = next(action.choices for action in cli._parser()._actions if action.choices)
REFUSALS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.OSNetError) and kind not in (errors.ParityError, errors.BusyError)
]

FAULT = "This is a fault of osnet: run the command again with --debug and report what it shows."

ENDS = [
    (errors.ParityError("off", where="a.onnx", cure="Convert again."), 1, "gate failed: a.onnx: off. Convert again."),
    *[(kind("bad", where="x", cure="Mend it."), 2, "x: bad. Mend it.") for kind in REFUSALS],
    (MemoryError(), 2, "not enough memory (MemoryError). Give a smaller batch size"),
    (MemoryError("Unable to allocate 9 GiB"), 2, "not enough memory (Unable to allocate 9 GiB). Give"),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 2, "not enough memory (DefaultCPU"),
    (RuntimeError("Could not allocate bytes object!"), 2, "not enough memory (Could not allocate bytes object!). Give"),
    (ImportError("libtorch_cpu.so: failed to map segment from shared object"), 2, "not enough memory (libtorch"),
    (
        errors.ExportError("onnxsim failed (Unable to allocate 48.0 MiB)", where="x", cure="Mend it."),
        2,
        "x: onnxsim failed",
    ),
    (RuntimeError("std::bad_alloc"), 2, "not enough memory (std::bad_alloc). Give"),
    (ValueError("Failed to serialize proto"), 2, "not enough memory (Failed to serialize proto). Give"),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), 2, "not enough memory ([Errno 12] Cannot allocate memory). Give"),
    (OSError(errno.ENOSPC, "No space left on device"), 2, "no space left on device. Check"),
    (PermissionError(errno.EACCES, "Permission denied", "/a/b"), 2, "/a/b: permission denied. Check"),
    (ModuleNotFoundError("No module named 'papermill'", name="papermill"), 2, "the package papermill is not installed"),
    (ModuleNotFoundError("No module named 'osnet_lib.x'", name="osnet_lib.x"), 70, "unforeseen: ModuleNotFoundError"),
    (KeyError("name"), 70, "unforeseen: KeyError"),
    (ValueError("two\nlines"), 70, "unforeseen: ValueError"),
    (RecursionError(), 70, "unforeseen: RecursionError"),
    (errors.BusyError("held", where="q.part", cure="Wait for it."), 75, "busy: q.part: held. Wait for it."),
    (KeyboardInterrupt(), 130, "interrupted; the next run continues where this one stopped"),
    (
        UnicodeEncodeError("utf-8", "caf\udce9", 3, 4, "surrogates not allowed"),
        2,
        "caf\\udce9: holds a name that is no",
    ),
    (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, ""),
]


@pytest.mark.parametrize("error, code, line", ENDS, ids=lambda value: type(value).__name__)
def test_each_failure_has_its_code_and_its_line(error, code, line):
    found, said = outcome(error)
    assert found == code and said.startswith(line) and bool(said) == bool(line) and "\n" not in said
    if code == 70:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        assert said.endswith(f": {first}. {FAULT}")


def test_the_table_names_every_code_that_can_happen_and_stands_in_the_help():
    assert set(MEANINGS) == set(Outcome) == {0} | {code for _, code, _ in ENDS}
    words = " ".join(cli._parser().format_help().split())
    assert all(f"{int(code)} {meaning}" in words for code, meaning in MEANINGS.items())


@pytest.fixture
def ends(monkeypatch, capsys):
    """Run a command whose work raises an error (or does nothing); exit code and lines on standard error."""

    def run(line: list[str], error: BaseException | None) -> tuple[int, list[str]]:
        def work(_):
            if error is not None:
                raise error

        made = cli._parser
        with monkeypatch.context() as patch:
            parser = made()
            options = parser.parse_args(line)
            options.run = work
            patch.setattr(parser, "parse_args", lambda _: options)
            patch.setattr(cli, "_parser", lambda: parser)
            code = cli.main(line)
        return code, capsys.readouterr().err.splitlines()

    return run


def example(command: str) -> list[str]:
    """The command line that the help gives as an example."""
    return PARSERS[command].epilog.split("example: osnet ")[1].split()


@pytest.mark.parametrize("command", PARSERS)
def test_every_command_ends_so(ends, command):
    assert ends(example(command), None) == (0, [])
    for error, code, line in ENDS:
        found, said = ends(example(command), error)
        assert found == code and len(said) == (1 if line else 0), error
        assert not line or said[0].startswith(f"osnet: {line}")


@pytest.mark.parametrize("place", [0, 1, None])
def test_debug_shows_where_a_failure_came_from(ends, place):
    line = example("info")
    line.insert(len(line) if place is None else place, "--debug")
    code, said = ends(line, KeyError("name"))
    assert code == 70 and said[0] == "Traceback (most recent call last):" and said[-1].startswith("osnet: unforeseen")
    assert any("test_outcomes.py" in entry for entry in said)


def test_an_unforeseen_failure_names_the_line_of_this_package():
    with pytest.raises(AttributeError) as raised:
        errors.first_line(type("Odd", (), {"__str__": lambda _: None.strip()})())
    line = outcome(raised.value)[1]
    assert re.match(r"unforeseen: AttributeError in osnet_lib/errors\.py, line \d+: ", line)
