"""The command ``osnet convert``: an ONNX to an Ascend OM, or the exact call to make it elsewhere."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path


def add_convert_command(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command; `command` is the factory of `osnet_lib.cli.main`: name, function, summary, example."""
    p = command(
        "convert",
        convert_command,
        "ONNX to an Ascend OM with ATC, or the command for a host with CANN",
        "convert osnet_x1_0_bs16_sim.onnx osnet_x1_0_bs16 --soc-version Ascend310P3",
    )
    p.add_argument("model", help="an .onnx of osnet simplify; of osnet export for several batch sizes")
    p.add_argument("output", help="the OM to write; .om is added where it is missing")
    p.add_argument(
        "--batch-size",
        type=int,
        nargs="+",
        metavar="N",
        help="images a call (default: those the model is "
        "fixed to); several make one OM with dynamic batch gears, such as 1 4 8 16 32",
    )
    p.add_argument("--soc-version", help="the chip, such as Ascend310 or Ascend310P3 (default: the one of this host)")
    p.add_argument("--precision-mode", metavar="MODE", help="ATC's precision_mode (its default computes in float16)")
    p.add_argument("--precision-mode-v2", metavar="MODE", help="the same in the words of newer ATC; not both")
    p.add_argument(
        "--aipp",
        metavar="FILE",
        nargs="?",
        const="",
        help="normalise on the device, so that the OM takes "
        "uint8 images; without FILE the configuration is written to OUTPUT.aipp.cfg",
    )
    p.add_argument("--input-fp16", action="store_true", help="the OM takes float16 images")
    p.add_argument("--log", default="error", help="debug, info, warning, error (default) or null")
    p.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="--NAME=VALUE",
        help="a further ATC option, written --option=--NAME=VALUE; may be repeated",
    )
    p.add_argument("--timeout", type=float, default=7200, help="seconds until ATC is stopped (default 7200)")


def convert_command(o: argparse.Namespace) -> None:
    """Run ``osnet convert``; without CANN print the ATC command and succeed."""
    from ..ascend.aipp import write_aipp
    from ..ascend.atc import AtcCommand
    from ..ascend.cann import detect_soc_version
    from ..ascend.convert import check_conversion, convert, model_batch, model_input

    output = o.output.removesuffix(".om")
    aipp = None if o.aipp is None else Path(o.aipp or f"{output}.aipp.cfg")
    command = AtcCommand(
        Path(o.model),
        output,
        tuple(o.batch_size or [model_batch(o.model)]),
        o.soc_version or detect_soc_version(),
        o.precision_mode,
        o.precision_mode_v2,
        aipp,
        o.input_fp16,
        o.log,
        tuple(o.option),
        model_input(o.model),
    )
    if aipp and o.aipp == "":
        check_conversion(replace(command, aipp=None))  # before anything is written
        write_aipp(aipp)
    made = convert(command, timeout=o.timeout)
    if made is None:
        return
    for warning in made.warnings:
        print(f"ATC warns: {warning.code}: {warning.words}")
    sizes = ", ".join(map(str, command.batch_sizes))
    print(
        f"{made.path}: {command.soc_version}, batch {sizes}, {made.path.stat().st_size / 1e6:.1f} MB, "
        f"{made.seconds:.0f} s{f', for hosts of {made.host} only' if made.host else ''}"
    )
    print(f"ATC's Python: {made.python or 'none found'}")
