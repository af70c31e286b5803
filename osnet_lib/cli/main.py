"""The ``osnet`` command: every step of the study from a shell.

Exit codes: 0 done; 1 a gate failed (features or scores differ by more than their tolerance);
2 bad input, explained in one line on standard error.
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ..errors import OSNetError, ParityError
from ..version import __version__
from . import compare, convert, diagnose, guide, study

if TYPE_CHECKING:
    from ..conversion.parity import Parity

EPILOG = "Each command explains itself: osnet COMMAND --help"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    options = _parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
        try:
            options.run(options)
        except ParityError as error:
            print(f"osnet: gate failed: {error}", file=sys.stderr)
            return 1
        except OSNetError as error:
            print(f"osnet: {error}", file=sys.stderr)
            return 2
        except OSError as error:
            print(f"osnet: {_refusal(error)}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("osnet: interrupted; the next run continues where this one stopped", file=sys.stderr)
            return 130
    return 0


def _refusal(error: OSError) -> OSNetError:
    """What the system refused, in our words; of a file that was being written, its name and not the temporary one."""
    name = error.filename2 or error.filename
    if name is not None:
        name = re.sub(r"(?<![^/\\])\.([^/\\]+)\.\d+\.tmp((?:\.\w+)?)$", r"\1\2", str(name))
    return OSNetError(
        (error.strerror or str(error)).lower(),
        where=name,
        cure="Check the path, its permissions and the space on the disk.",
    )


class _Parser(argparse.ArgumentParser):
    """Refuses in one line, like everything else here."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}. See {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="osnet", description="OSNet from a PyTorch checkpoint to an Ascend NPU.", epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"osnet {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run, summary: str, example: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=summary, description=summary, epilog=f"example: osnet {example}")
        made.set_defaults(run=run)
        return made

    p = command(
        "export", _export, "checkpoint to ONNX with a dynamic batch axis", "export checkpoint.pth osnet_x1_0.onnx"
    )
    p.add_argument("checkpoint", help="mini, market1501, or a .pth, .pt, .pth.tar or .safetensors file")
    p.add_argument("output", help="the .onnx to write")
    p.add_argument("--opset", type=int, default=11, help="operator set (default 11: older ATC reads nothing newer)")

    p = command(
        "simplify",
        _simplify,
        "simplify an ONNX and fix its batch",
        "simplify osnet_x1_0.onnx osnet_x1_0_bs16_sim.onnx --batch-size 16",
    )
    p.add_argument("input", help="an .onnx of osnet export")
    p.add_argument("output", help="the .onnx to write")
    p.add_argument("--batch-size", type=int, required=True, help="images a call")

    convert.add_convert_command(command)

    p = command(
        "extract",
        _extract,
        "features of query and gallery",
        "extract osnet_x1_0.onnx Market-1501-v15.09.15.zip features",
    )
    p.add_argument("model", help="mini, market1501, a checkpoint or an .onnx")
    p.add_argument("dataset", help="mini, or a folder or zip in Market-1501's layout")
    p.add_argument("outdir", help="receives query.npz and gallery.npz")
    p.add_argument("--batch-size", type=int, help="images a call (default 16, or the model's own where it is fixed)")
    p.add_argument("--devices", metavar="0,1,…", help="several devices, which share the images (in place of --device)")
    _session_options(p)

    guide.add_guide_commands(command, _session_options)
    compare.add_compare_command(command)
    diagnose.add_diagnose_command(command, _session_options)

    study.add_study_commands(command)
    return parser


def _session_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backend", default="auto", help="auto (default), onnxruntime, torch, ascend, cann or torch_npu"
    )
    parser.add_argument("--device", "--device-id", type=int, default=0, help="device number (default 0)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all visible cores)")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        type=_option,
        metavar="NAME=VALUE",
        help="of the cann backend, such as precision_mode=force_fp32; may be repeated",
    )


def _option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


# The rooms are imported by the commands that need them: --help and a refusal stay quick.


def _model(name: str) -> Path:
    from ..network.weights import find_weights

    return find_weights(name)


def _export(o: argparse.Namespace) -> None:
    from ..conversion.export import export_onnx
    from ..inference.parity_gate import pass_gate
    from ..inference.session import open_session
    from ..network.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(_model(o.checkpoint))
    print(f"{checkpoint.path}: {checkpoint.architecture}, trained on {checkpoint.trained_on}")
    made = export_onnx(checkpoint, Path(o.output), o.opset)
    print(
        f"{made.path}: opset {made.opset}, {made.nodes} nodes, {made.input_name} {list(made.input_shape)} -> "
        f"{made.output_name} {list(made.output_shape)}"
    )
    with open_session(checkpoint, "torch", threads=1) as reference:  # more would only wait for each other
        _passed(pass_gate(reference, made.path, "onnx", 4))


def _simplify(o: argparse.Namespace) -> None:
    from ..conversion.export import simplify_onnx
    from ..conversion.onnx_file import inspect_onnx
    from ..inference.parity_gate import pass_gate
    from ..inference.session import open_session

    before = inspect_onnx(Path(o.input))
    with open_session(before.path, "onnxruntime") as reference:
        made = simplify_onnx(before.path, Path(o.output), o.batch_size)
        print(f"{made.path}: {before.nodes} -> {made.nodes} nodes, batch fixed to {made.batch_size}")
        _passed(pass_gate(reference, made.path, "simplified", o.batch_size))


def _passed(parity: Parity) -> None:
    print(
        f"parity over {parity.images} images: largest difference {parity.max_abs:.1e}, smallest cosine "
        f"{parity.min_cosine:.7f}, row against image alone {parity.row_max_abs:.1e}: passed"
    )


def _extract_together(o: argparse.Namespace) -> None:
    from ..inference.devices import extract_on_devices
    from ..inference.session import open_session
    from ..study.models import open_dataset
    from ..study.workspace import open_workspace

    with open_dataset(open_workspace(), o.dataset) as dataset:
        for split, samples in (("query", dataset.query), ("gallery", dataset.gallery)):
            path = Path(o.outdir) / f"{split}.npz"
            features = extract_on_devices(
                _model(o.model),
                dataset,
                samples,
                path,
                o.batch_size or 16,
                o.devices,
                o.backend,
                threads=o.threads,
                opener=partial(open_session, options=dict(o.option)),
            )
            shares = features.conditions.get("devices", {o.devices: len(features)})
            print(f"{path}: {len(features)} features, by device {', '.join(f'{d}: {n}' for d, n in shares.items())}")


def _extract(o: argparse.Namespace) -> None:
    if o.devices is not None:
        return _extract_together(o)
    from ..core.cache import artefact
    from ..inference.extract import extract_features, extraction_conditions
    from ..inference.session import open_session
    from ..study.models import open_dataset
    from ..study.workspace import open_workspace

    with (
        open_session(_model(o.model), o.backend, o.device, o.threads, dict(o.option)) as session,
        open_dataset(open_workspace(), o.dataset) as dataset,
    ):
        batch_size = (session.batch_size or 16) if o.batch_size is None else o.batch_size
        for split, samples in (("query", dataset.query), ("gallery", dataset.gallery)):
            key = extraction_conditions(session, dataset, samples, batch_size)

            def make(path: Path, samples=samples) -> None:
                extract_features(session, dataset, samples, path, batch_size)

            # One that was finished before a kill is not computed again.
            print(f"{artefact(Path(o.outdir) / f'{split}.npz', key, make)}: {len(samples)} features")


if __name__ == "__main__":
    sys.exit(main())
