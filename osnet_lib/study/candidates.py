"""What could compute a network here: engines, precisions and graphs, each tried; what does not work has a reason."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from ..conversion.export import FUSED
from ..conversion.onnx_file import inspect_onnx
from ..core.host import usable_cores
from ..errors import OSNetError, SessionError
from ..inference.backends import BACKENDS
from ..inference.session import Session, open_session
from .calibration import Calibration
from .models import fix_batch, given_onnx, network_label, simplify_model, weights_file
from .runnable import float16_model, int8_model
from .study import Study

PLAIN = "plain"


@dataclass(frozen=True)
class Candidate:
    """An engine in a precision on a graph with so many threads; `file` is what it opens, where there is one."""

    backend: str
    precision: str
    graph: str
    threads: int
    file: Path | None = None

    def __str__(self) -> str:
        fused = f", {self.graph}" * (self.graph != PLAIN)
        return f"{self.backend} {self.precision}{fused}, {self.threads} thread{'s' * (self.threads > 1)}"

    @property
    def engine(self) -> str:
        """Backend and precision, of which there is one mark in a figure."""
        return f"{self.backend} {self.precision}"

    @property
    def path(self) -> Path:
        """The file, which was found."""
        assert self.file is not None
        return self.file

    @property
    def asked(self) -> str | None:
        """The precision that is asked for; None of a backend that takes none."""
        return self.precision if BACKENDS[self.backend].precisions else None

    def open(self) -> Session:
        """A session on the first device."""
        return open_session(self.path, self.backend, threads=self.threads, precision=self.asked)


def combinations() -> list[Candidate]:
    """Every backend with its precisions on both graphs, with a thread a core; ONNX Runtime's float32 first."""
    cores = usable_cores()
    found = [
        Candidate(name, precision, graph, cores)
        for name, backend in BACKENDS.items()
        for precision in backend.precisions or ("float32",)
        for graph in (PLAIN, FUSED)
    ]
    return sorted(found, key=lambda one: (one.backend, one.precision, one.graph) != ("onnxruntime", "float32", PLAIN))


def model_file(study: Study, candidate: Candidate, calibration: Calibration) -> Path:
    """The file that a candidate opens at the study's batch size, made where it is missing.

    Raises
    ------
    OSNetError
        None can be had: its words say why.
    """
    backend, precision = BACKENDS[candidate.backend], candidate.precision
    onnx, fused = given_onnx(study), candidate.graph == FUSED
    if candidate.backend == "ascend":
        raise SessionError("an OM computes as it was converted, see osnet convert", where=str(candidate))
    if backend.reads_checkpoints:
        if onnx or fused:
            raise SessionError("it computes the own graph of a checkpoint", where=str(candidate))
        return weights_file(study)
    if fused and (onnx or precision == "int8" or (candidate.backend, precision) == ("onnxruntime", "float16")):
        made = "an ONNX has the graph it has" if onnx else f"the file in {precision} is made of the plain graph"
        raise SessionError(made, where=str(candidate))
    if onnx:
        if precision == "int8":
            raise SessionError("int8 is made of a checkpoint and images", where=str(candidate))
        return _given_file(study)
    if precision == "int8":
        return int8_model(study, calibration)
    if (candidate.backend, precision) == ("onnxruntime", "float16"):
        return float16_model(study)
    return simplify_model(study, fuse_streams=fused).path


def open_all(
    study: Study, calibration: Calibration, stack: ExitStack
) -> tuple[list[tuple[Candidate, Session]], dict[str, str]]:
    """Sessions of all candidates that work here, the reference first, closed by `stack`; why the others do not.

    Raises
    ------
    OSNetError
        The reference, ONNX Runtime in float32, does not work.
    """
    ready: list[tuple[Candidate, Session]] = []
    left_out: dict[str, str] = {}
    for tried in tqdm(combinations(), desc="engines", unit="candidate", disable=not study.progress):
        try:
            candidate = replace(tried, file=model_file(study, tried, calibration))
            ready.append((candidate, stack.enter_context(candidate.open())))
        except OSNetError as error:
            if not ready:
                raise
            left_out[f"{tried.engine}{f', {tried.graph}' * (tried.graph != PLAIN)}"] = error.what
    return ready, left_out


def fewer_threads(candidate: Candidate) -> list[Candidate]:
    """The same with one thread, two, four and so on below its own number."""
    numbers = (2**power for power in range(candidate.threads.bit_length()))
    return [replace(candidate, threads=number) for number in numbers if number < candidate.threads]


def _given_file(study: Study) -> Path:
    """An ONNX as it is where it is fixed to the study's batch size, else simplified for that."""
    found = inspect_onnx(weights_file(study), expect_osnet=True)
    if found.batch_size == study.batch_size:
        return found.path
    return fix_batch(study, found, study.batch_size, network_label(study)).path
