"""The ``osnet`` command: every step of the study from a shell. How it ends stands in `outcomes`."""

from __future__ import annotations

import argparse
import sys
import traceback
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ..errors import OSNetError
from ..version import __version__
from . import cluster, compare, convert, diagnose, doctor, guide, manifest, study, tune
from .outcomes import MEANINGS, Outcome, outcome
from .streams import flush_streams, named, patient_streams, prepare_streams, say

if TYPE_CHECKING:
    from ..conversion.parity import Parity

EPILOG = (
    "Each command explains itself: osnet COMMAND --help. "
    f"Exit codes: {'; '.join(f'{int(code)} {meaning}' for code, meaning in MEANINGS.items())}."
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    prepare_streams()
    debug = False
    try:
        try:
            options = _parser().parse_args(arguments)
        except SystemExit:  # --help, --version, a wrong command line
            flush_streams()
            raise
        debug = options.debug
        _refuse_other_encodings(options)
        with patient_streams(), warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
            options.run(options)
        flush_streams()
    except (Exception, KeyboardInterrupt) as error:
        code, line = outcome(error)
        if debug:
            say("".join(traceback.format_exception(error)).rstrip())
        if line:
            say(f"osnet: {line}")
        try:
            flush_streams()
        except OSError:  # the failure that is told came before
            pass
        return code
    return Outcome.DONE


def _refuse_other_encodings(options: argparse.Namespace) -> None:
    """Refuse what is not UTF-8 before anything is done: half of the libraries below could not open such a file."""
    for value in vars(options).values():
        for text in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(text, str) and not text.isascii():
                try:
                    text.encode()
                except UnicodeEncodeError as error:
                    shown = text.encode("utf-8", "backslashreplace").decode()
                    cure = "Rename the file or folder, or set PYTHONUTF8=1 where the system's encoding is another."
                    raise OSNetError("is no UTF-8", where=shown, cure=cure) from error


class _Parser(argparse.ArgumentParser):
    """Refuses in one line, like everything else here."""

    def error(self, message: str) -> NoReturn:
        say(f"{self.prog}: {message}. See {self.prog} --help")
        sys.exit(Outcome.REFUSED)

    def _print_message(self, message, file=None) -> None:  # argparse's own passes over a full disk or a closed pipe
        try:
            print(message, end="", file=file or sys.stderr)
        except OSError as error:
            raise named(error) from error


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="osnet", description="OSNet from a PyTorch checkpoint to an Ascend NPU.", epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"osnet {__version__}")
    debug = "show where in the code a failure came from"
    parser.add_argument("--debug", action="store_true", help=debug)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run, summary: str, example: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=summary, description=summary, epilog=f"example: osnet {example}")
        made.set_defaults(run=run)
        # Before the command or behind it.
        made.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=debug)
        return made

    p = command(
        "export", _export, "checkpoint to ONNX with a dynamic batch axis", "export checkpoint.pth osnet_x1_0.onnx"
    )
    p.add_argument(
        "checkpoint", help="mini, market1501, or a checkpoint, whatever it is called (torch.save, safetensors)"
    )
    p.add_argument("output", help="the .onnx to write")
    _key_option(p)
    p.add_argument("--opset", type=int, default=11, help="operator set (default 11: older ATC reads nothing newer)")
    p.add_argument(
        "--fuse-streams",
        action="store_true",
        help="compute the streams of a block side by side: the same features by fewer, wider operators, slower or "
        "faster by machine",
    )

    p = command(
        "simplify",
        _simplify,
        "simplify an ONNX and fix its batch",
        "simplify osnet_x1_0.onnx osnet_x1_0_bs16_sim.onnx --batch-size 16",
    )
    p.add_argument("input", help="an .onnx of osnet export, or of others with one input and one output of that shape")
    p.add_argument("output", help="the .onnx to write")
    p.add_argument("--batch-size", type=int, required=True, help="images a call")

    convert.add_convert_command(command)

    manifest.add_manifest_command(command)

    p = command(
        "extract",
        _extract,
        "features of query and gallery",
        "extract osnet_x1_0.onnx Market-1501-v15.09.15.zip features",
    )
    p.add_argument("model", help="mini, market1501, a checkpoint or an .onnx")
    p.add_argument(
        "dataset",
        help="mini, a folder, zip or tar in Market-1501's layout, or a manifest (.csv); also s3://BUCKET/PATH",
    )
    p.add_argument("outdir", help="receives query.npz and gallery.npz")
    p.add_argument("--batch-size", type=int, help="images a call (default 16, or the model's own where it is fixed)")
    p.add_argument("--devices", metavar="0,1,…", help="several devices, which share the images (in place of --device)")
    cluster.add_extract_options(p)
    _key_option(p)
    _session_options(p)

    guide.add_guide_commands(command, _session_options)
    compare.add_compare_command(command)
    diagnose.add_diagnose_command(command, _session_options)

    tune.add_tune_command(command)
    cluster.add_plan_command(command)
    study.add_study_commands(command)
    doctor.add_doctor_commands(command)
    return parser


def _session_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backend",
        default="auto",
        help="auto (default), onnxruntime, openvino, torch, ascend, cann or torch_npu; tuned: as osnet tune found",
    )
    parser.add_argument(
        "--precision",
        help="float32, bfloat16, float16 or int8, as backend and CPU have it (default: the file's)",
    )
    parser.add_argument("--device", "--device-id", type=int, default=0, help="device number (default 0)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: the cores that affinity and quota allow)")
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


def _key_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", help="which network of a checkpoint that holds several, as the refusal names them")


# The rooms are imported by the commands that need them: --help and a refusal stay quick.


def _model(name: str) -> Path:
    from ..network.weights import find_weights

    return find_weights(name)


def _export(o: argparse.Namespace) -> None:
    from ..conversion.export import export_onnx
    from ..inference.parity_gate import pass_gate
    from ..inference.session import open_session
    from ..network.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(_model(o.checkpoint), o.key)
    print(f"{checkpoint.path}: {checkpoint.architecture}, trained on {checkpoint.trained_on}")
    _print_origin(checkpoint.path, checkpoint.origin)
    made = export_onnx(checkpoint, Path(o.output), o.opset, o.fuse_streams)
    print(
        f"{made.path}: opset {made.opset}, {made.nodes} nodes, {made.input_name} {list(made.input_shape)} -> "
        f"{made.output_name} {list(made.output_shape)}{', streams fused' * o.fuse_streams}"
    )
    with open_session(checkpoint, "torch", threads=1) as reference:  # more would only wait for each other
        _passed(pass_gate(reference, made.path, "onnx", 4))


def _print_origin(path: Path, origin: dict[str, str]) -> None:
    """Where in its file a network lay, and what was dropped and ignored; nothing where nothing was."""
    if origin:
        words = (f"{name.replace('_', ' ')} {what}" for name, what in origin.items())
        print(f"{path}: found by its tensors; {'; '.join(words)}")


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
    from ..study.dataset import open_dataset

    with open_dataset(o.dataset) as dataset:
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
                opener=partial(open_session, key=o.key, options=dict(o.option), precision=o.precision),
            )
            shares = features.conditions.get("devices", {o.devices: len(features)})
            print(f"{path}: {len(features)} features, by device {', '.join(f'{d}: {n}' for d, n in shares.items())}")


def _extract(o: argparse.Namespace) -> None:
    if cluster.is_asked_for(o):
        return cluster.extract_there(o, _model(o.model))
    if o.devices is not None:
        return _extract_together(o)
    from ..core.cache import artefact
    from ..inference.extract import extract_features, extraction_conditions
    from ..inference.session import open_session
    from ..study.dataset import open_dataset

    with (
        open_session(
            _model(o.model), o.backend, o.device, o.threads, key=o.key, options=dict(o.option), precision=o.precision
        ) as session,
        open_dataset(o.dataset) as dataset,
    ):
        _print_origin(session.model, session.facts.checkpoint)
        batch_size = (session.batch_size or 16) if o.batch_size is None else o.batch_size
        for split, samples in (("query", dataset.query), ("gallery", dataset.gallery)):
            key = extraction_conditions(session, dataset, samples, batch_size)

            def make(path: Path, samples=samples) -> None:
                extract_features(session, dataset, samples, path, batch_size)

            # One that was finished before a kill is not computed again.
            print(f"{artefact(Path(o.outdir) / f'{split}.npz', key, make)}: {len(samples)} features")


if __name__ == "__main__":
    sys.exit(main())
