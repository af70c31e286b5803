"""Output that is closed, full, read by nobody or of another encoding: what happened is told, and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from helpers.paths import ROOT
from osnet_lib.cli import main as cli
from osnet_lib.cli.streams import patient_streams
from osnet_lib.features.store import Features, save_features

PARSERS = next(action.choices for action in cli._parser()._actions if action.choices)

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
    assert done.returncode == 2 and done.stderr.startswith(b"osnet: standard output: no space left on device. Check")
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


@pytest.fixture(scope="module")
def features(tmp_path_factory) -> list[str]:
    """Words of a command that scores two files."""
    folder = tmp_path_factory.mktemp("features")
    rows = np.eye(2, 512, dtype=np.float32)
    for split, camera in (("query", 1), ("gallery", 2)):
        names = np.array([f"{pid:04d}_c{camera}s1_000001_0{camera - 1}.jpg" for pid in (1, 2)])
        save_features(folder / f"{split}.npz", Features(names, np.array([1, 2]), np.full(2, camera), rows))
    return ["evaluate", str(folder / "query.npz"), str(folder / "gallery.npz")]


@pytest.mark.parametrize("redirect, code", [("| true", 0), ("> /dev/full", 2), ("2>&1 >&- | true", 0), (">&-", 0)])
def test_files_are_written_whoever_reads_the_output(features, tmp_path, redirect, code):
    done = osnet([*features, str(tmp_path), "result"], redirect, PYTHONUNBUFFERED="1")
    assert done.returncode == code and json.loads((tmp_path / "result.json").read_text())["value"]
    assert (b"standard output: no space left" in done.stderr) == (code == 2)


def test_work_goes_on_when_its_output_cannot_be_written():
    read, write = os.pipe()
    os.close(read)
    with open(write, "w", buffering=1) as nobody, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", nobody)
        done = []
        with pytest.raises(BrokenPipeError), patient_streams():
            for step in range(3):
                print(step)
                done.append(step)
        assert done == [0, 1, 2] and sys.stdout is nobody


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text on this system")
@pytest.mark.parametrize("command", [name for name in PARSERS if name != "doctor"])  # which takes no path
def test_a_path_that_is_not_utf_8_is_refused_in_one_line(command, capsys):
    words = PARSERS[command].epilog.split("example: osnet ")[1].split()
    at = -1 if not words[-1].isdecimal() else 2 if command == "info" else 1
    words[at] = "caf\udce9"
    assert cli.main(words) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1 and "\udce9" not in said


def test_a_full_disk_names_the_path(features, tmp_path):
    """A limit on the size of files stands in for it."""
    if not hasattr(os, "fork"):
        pytest.skip("no limits on this system")
    limited = subprocess.run(
        ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", sys.executable, "-m", "osnet_lib", *features, str(tmp_path), "x"],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert limited.returncode == 2
    assert limited.stderr.decode().startswith(f"osnet: {tmp_path / 'x.json'}: file too large. Check")
