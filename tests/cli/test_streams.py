"""Output that is closed, full, read by nobody or of another encoding: what happened is told, and no more."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from helpers.paths import ROOT

REFUSED = ["info", "bin", "gone", "x", "128", "256"]
HERE = "/dev/full"


def osnet(words: list[str], redirect: str = "", **environment: str) -> subprocess.CompletedProcess:
    """Run the command with a shell's redirection of its output."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirect}', "sh", sys.executable, "-m", "osnet_lib", *words],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100", **environment},
        check=False,
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words, code", [(["--help"], 141), (["--version"], 141), (REFUSED, 2), (["no-command"], 2)])
def test_a_reader_that_went_away_is_no_failure_to_tell(words, code, unbuffered):
    read, write = os.pipe()
    os.close(read)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-m", "osnet_lib", *words]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, env=environment, check=False)
    assert done.returncode == code and len(done.stderr.splitlines()) == (code == 2)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=write, env=environment, check=False)
    os.close(write)
    assert done.returncode == (0 if code == 141 else 2)


@pytest.mark.skipif(not os.path.exists(HERE), reason="no /dev/full on this system")
@pytest.mark.parametrize("words", [["--help"], ["--version"], ["info", "--help"]])
def test_a_full_disk_is_refused(words):
    done = osnet(words, f"> {HERE}")
    assert done.returncode == 2 and done.stderr.startswith(b"osnet: no space left on device. Check")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "words, redirect, code",
    [(["--help"], ">&-", 0), (["--help"], "<&-", 0), (REFUSED, "2>&-", 2), (REFUSED, "<&- >&- 2>&-", 2)],
)
def test_closed_streams_go_nowhere(words, redirect, code):
    done = osnet(words, redirect)
    assert done.returncode == code and not done.stderr and (b"usage" in done.stdout) == (redirect == "<&-")


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252", "utf-8", "ascii:strict"])
@pytest.mark.parametrize("command", ["extract", "benchmark"])
def test_help_is_shown_in_any_encoding(command, encoding):
    done = osnet([command, "--help"], PYTHONIOENCODING=encoding)
    assert done.returncode == 0 and not done.stderr and b"--devices 0,1," in done.stdout
