"""The command ``osnet compare``: two scores side by side, and whether the second passes the guide's gate."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def add_compare_command(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command; `command` is the factory of `osnet_lib.cli.main`: name, function, summary, example."""
    p = command(
        "compare",
        compare_command,
        "two scores or sets of features; exit code 1 where the gate fails",
        "compare features_onnx features_om --json compare.json",
    )
    p.add_argument(
        "reference",
        help="a folder with query.npz and gallery.npz of osnet extract, an accuracy-*.json, "
        "the guide's result.json, or published:NETWORK[:DEVICE] such as 'published:osnet_x1_0:Ascend 310'",
    )
    p.add_argument("candidate", help="the same; with two folders images are paired by name and compared one by one")
    p.add_argument(
        "--metric",
        choices=("euclidean", "cosine"),
        help="to score folders with (default: that of the other side, else euclidean)",
    )
    p.add_argument(
        "--mAP-drop",
        type=float,
        metavar="SHARE",
        help="how much of the reference's mAP may be lost (default 0.01, the guide's 1 %%)",
    )
    p.add_argument("--level", type=float, default=0.95, help="confidence of the intervals (default 0.95)")
    p.add_argument("--json", metavar="FILE", help="also write every figure to FILE")


def compare_command(o: argparse.Namespace) -> None:
    """Run ``osnet compare``; a gate that fails is a ParityError, raised after everything is printed and written."""
    from ..comparison.acceptance import GUIDE_MAP_DROP
    from ..comparison.pair import compare_sides, read_sides
    from ..core.files import write_json
    from ..errors import ParityError

    drop = GUIDE_MAP_DROP if o.mAP_drop is None else o.mAP_drop
    compared = compare_sides(*read_sides(o.reference, o.candidate, o.metric, o.level), drop, o.level)
    written = write_json(o.json, compared.as_dict()) if o.json else None
    print(compared.text())
    if written:
        print(written)
    if not compared.acceptance.passed:
        failed = " and ".join(criterion.name for criterion in compared.acceptance.criteria if not criterion.passed)
        raise ParityError(failed, where=f"{o.candidate} against {o.reference}")
