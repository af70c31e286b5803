"""Nobody is reported on: what libraries would write about a user, they do not write here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.engines import needs_openvino
from helpers.networks import onnx_path
from helpers.paths import ROOT, TESTS

RUN = "import onnxruntime, sys; onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])"
# A notebook of the study that asks for the library before this package.
KERNEL = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(TESTS)!r})
from helpers.notebooks import toy
from osnet_lib.study.run import Run, run_study
from osnet_lib.study.workspace import Workspace
toy(Path("notebooks"), "first", "a: int = 1  # none", "import sys; sys.argv = ['', " + repr(sys.argv[1]) + "]; {RUN}")
run_study(Workspace(Path(".").resolve()), [Run("first", {{}})], progress=False)
"""
WAYS = {
    "process of its own": [
        sys.executable,
        "-c",
        f"import osnet_lib, subprocess, sys; subprocess.run([sys.executable, '-c', {RUN!r}, sys.argv[1]], check=True)",
    ],
    "kernel": [sys.executable, "-c", KERNEL],
    "library": [sys.executable, "-c", f"import osnet_lib; {RUN}"],
    "face": [sys.executable, "-c", "import osnet_lib as ol, sys; ol.open_session(sys.argv[1]).close()"],
    "command": [
        sys.executable,
        "-m",
        "osnet_lib",
        "benchmark",
        "--batch-size",
        "2",
        "--rounds",
        "1",
        "--output",
        "out",
    ],
}


def files_after(home: Path, *command: str) -> list[str]:
    """What a program leaves in a home that was empty; without the variables by which a library knows CI."""
    home.mkdir()
    known = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    environment = {**known, "HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*command, str(onnx_path(2))], cwd=home.parent, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    left = sorted(path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file())
    own = (".ipython/", ".cache/matplotlib/")  # what a kernel keeps
    return [name for name in left if not name.startswith(own)]


@pytest.fixture(scope="module")
def without_switch(tmp_path_factory) -> list[str]:
    """The control: this very library, asked without this package."""
    return files_after(tmp_path_factory.mktemp("control") / "home", sys.executable, "-c", RUN)


@pytest.mark.parametrize("way", WAYS)
def test_onnxruntime_leaves_nothing(way, without_switch, tmp_path):
    if not without_switch:
        pytest.skip("this release of onnxruntime leaves nothing by itself, so nothing would be proved")
    assert files_after(tmp_path / "home", *WAYS[way]) == []


OPENVINO = (
    "import osnet_lib as ol, sys; ol.open_session(sys.argv[1], 'openvino').close(); "
    "from openvino.tools.ovc import telemetry_utils; assert telemetry_utils.tm.__name__.endswith('telemetry_stub')"
)


@needs_openvino
@pytest.mark.parametrize("way", ["face", "command"])
def test_openvino_leaves_nothing_and_has_nobody_to_tell(way, tmp_path):
    """Its import alone would send an event and write an id into the home, so no run is without the switch."""
    command = [sys.executable, "-c", OPENVINO] if way == "face" else [*WAYS["command"], "--backend", "openvino"]
    assert files_after(tmp_path / "home", *command) == []


@pytest.mark.parametrize(
    "switch, off, on", [("ORT_DISABLE_TELEMETRY", "1", "0"), ("RAY_USAGE_STATS_ENABLED", "0", "1")]
)
def test_who_wants_it_may_have_it(switch, off, on):
    """A choice that was made before is kept."""
    for chosen, kept in (({}, off), ({switch: on}, on)):
        code = f"import osnet_lib, os; print(os.environ['{switch}'])"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **chosen}
        if not chosen:
            environment.pop(switch, None)
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        assert done.stdout.split() == [kept]
