"""A program shows its output as it comes, and neither it nor its children outlive the time limit."""

from __future__ import annotations

import os
import sys
import time

import pytest

from osnet_lib.ascend.run_program import run_program


def python(code: str, folder, timeout: float = 120, on_line=lambda line: None):
    return run_program((sys.executable, "-c", code), folder=folder, timeout=timeout, on_line=on_line)


def alive(pid: int) -> bool:
    """Whether a process still runs after some time to die in; a dead one that nobody collected does not."""
    until = time.monotonic() + 30
    while _runs(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return _runs(pid)


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    "code, text, status",
    [
        ("print('a'); print('b')", "a\nb\n", 0),
        ("import sys; sys.stdout.write('a\\r\\nb'); sys.exit(255)", "a\nb", 255),
        ("import sys; print('a', file=sys.stderr)", "a\n", 0),
        ("import os; os.write(1, b'caf\\xc3'); os.write(1, b'\\xa9 \\xff')", "caf\u00e9 \ufffd", 0),
        ("import os; os.kill(os.getpid(), 9)", "", -9),
        ("pass", "", 0),
        ("print(input())", None, 1),  # nothing waits for a keyboard
    ],
)
def test_text_and_status(code, text, status, tmp_path):
    done = python(code, tmp_path)
    assert done.status == status and 0 < done.seconds < 120
    assert "EOFError" in done.text if text is None else done.text == text


def test_it_runs_in_its_folder(tmp_path):
    python("open('here', 'w')", tmp_path)
    assert (tmp_path / "here").exists()


def test_lines_come_at_once(tmp_path):
    """The program goes on when its first line was seen, and after it a sign of life in the silence."""
    lines = []

    def see(line: str) -> None:
        if not line and "first" in lines:
            (tmp_path / "seen").touch()
        lines.append(line)

    python(
        "import os, time\nprint('first', flush=True)\nwhile not os.path.exists('seen'): time.sleep(0.02)\n"
        "print('last')",
        tmp_path,
        on_line=see,
    )
    assert [line for line in lines if line] == ["first", "last"]


def test_a_long_output_keeps_its_end(tmp_path):
    seen = []
    done = python("for i in range(9000): print(i)", tmp_path, on_line=seen.append)
    assert done.text.endswith("\n8999\n") and len(done.text.splitlines()) == 4000 - 1
    assert [line for line in seen if line] == [str(i) for i in range(9000)]


def test_a_program_that_does_not_exist(tmp_path):
    with pytest.raises(OSError):
        run_program(("/no/such/program",), folder=tmp_path, timeout=5, on_line=print)


CHILD = """
import subprocess, os
c = subprocess.Popen(["sleep", "600"])
open("pids", "w").write(f"{os.getpid()} {c.pid}")
"""


@pytest.mark.parametrize("then", ["", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"])
def test_the_time_limit_ends_program_and_children(then, tmp_path, monkeypatch, late_clock):
    monkeypatch.setattr("osnet_lib.ascend.run_program._GRACE", 0.3)
    pids = tmp_path / "pids"
    late_clock("osnet_lib.ascend.run_program", lambda: 3601 * (pids.exists() and pids.stat().st_size > 0))
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        python(f"{then}\n{CHILD}\nc.wait()", tmp_path, timeout=3600)
    assert time.monotonic() - began < 300  # it does not wait for its end
    pids = pids.read_text().split()
    assert len(pids) == 2 and not any(alive(int(pid)) for pid in pids)


def test_an_exception_of_the_caller_ends_them_too(tmp_path):
    def interrupt(line: str) -> None:
        if line == "go":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        python(f"{CHILD}\nprint('go', flush=True)\nc.wait()", tmp_path, on_line=interrupt)
    assert not any(alive(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_children_left_behind_neither_block_nor_stay(tmp_path):
    done = python(CHILD, tmp_path)
    assert done.status == 0 and done.seconds < 120
    assert not any(alive(int(pid)) for pid in (tmp_path / "pids").read_text().split())
    assert _runs(os.getpid())
