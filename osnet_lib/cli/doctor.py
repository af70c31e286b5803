"""The commands ``osnet doctor`` and ``osnet bundle``: what this host can do, and what to send to somebody who asks."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def add_doctor_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands; `command` is the factory of `osnet_lib.cli.main`: name, function, summary, example."""
    p = command(
        "doctor",
        doctor_command,
        "look at this host: driver, devices, CANN, packages; exit code 2 where a backend cannot work",
        "doctor --backend ascend",
    )
    p.add_argument(
        "--backend",
        default="auto",
        choices=("auto", "ascend", "cann", "onnxruntime", "openvino", "torch", "torch_npu"),
        help="the backend that must be able to work (default auto: any of them)",
    )

    p = command(
        "bundle",
        bundle_command,
        "pack what somebody needs to help: logs, conditions, results, the doctor's screen, hashes",
        "bundle osnet-bundle.zip --log convert.log",
    )
    p.add_argument("output", help="the .zip, .tar, .tar.gz or .tgz to write")
    p.add_argument(
        "--log", action="append", default=[], metavar="FILE", help="a text that you saved as well; may be repeated"
    )


def doctor_command(o: argparse.Namespace) -> None:
    """Run ``osnet doctor``; a backend that cannot work is a SessionError, raised after the screen is printed."""
    from ..inference.doctor import examine, require_backend, screen
    from ..study.workspace import open_workspace

    checks = examine(workspace=open_workspace().root)
    print(screen(checks))
    require_backend(checks, o.backend)


def bundle_command(o: argparse.Namespace) -> None:
    """Run ``osnet bundle``; the file holds no image, no weights, no user name and no path of a home folder."""
    from pathlib import Path

    from ..study.bundle import write_bundle
    from ..study.workspace import open_workspace

    made = write_bundle(Path(o.output), open_workspace(), [Path(log) for log in o.log])
    print("\n".join(made.names))
    print(f"{made.path}: {len(made.names)} files, no image, no weights. Look through it before you send it.")
