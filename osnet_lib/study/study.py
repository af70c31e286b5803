"""The parameters that the steps of a study share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING

from ..checks import MOST_IMAGES, whole_number
from ..errors import SessionError, StudyError
from ..inference.engine import PRECISIONS
from .workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from ..datasets.market1501 import Market1501
    from ..network.checkpoint import Checkpoint


@dataclass(frozen=True, repr=False)
class Study:
    """What a study is made of; it opens nothing. The steps are functions that take it first, ``step(study, …)``.

    Another batch size, say, is another study: ``dataclasses.replace(study, batch_size=8)``.

    Attributes
    ----------
    workspace : Workspace or path
        Where models and results go; empty is the checkout, see `open_workspace`.
    dataset : str, path or open data set
        ``"mini"``, which is embedded; a folder, zip or tar in Market-1501's layout; a manifest.
    weights : str, path or Checkpoint
        ``"mini"``, which are embedded; ``"market1501"``, downloaded once; a checkpoint.
    batch_size : int
        Images a call of the network.
    backend : str
        ``"auto"`` or one of `osnet_lib.inference.backends.BACKENDS`.
    device : int
        Number of the accelerator; the CPU is 0.
    precision : {"float32", "bfloat16", "float16", "int8"}
        In which the network computes, see `osnet_lib.inference.backends.Backend`; those of ONNX Runtime, and int8, are
        files of `osnet_lib.conversion.precision`. With the default an OM and CANN compute as they were told elsewhere.
    progress : bool
        Show progress bars.
    pictures : bool
        Let the ranking explorer hold pictures of a data set other than mini-market. Such a page shows people: keep it.

    Raises
    ------
    StudyError
        A batch size, device or precision that is none.
    """

    workspace: Workspace | str | PathLike[str] = ""
    dataset: str | PathLike[str] | Market1501 = "mini"
    weights: str | PathLike[str] | Checkpoint = "mini"
    batch_size: int = 16
    backend: str = "auto"
    device: int = 0
    precision: str = "float32"
    progress: bool = True
    pictures: bool = False

    def __post_init__(self) -> None:
        cure = "Give the number of images a call."
        whole_number(self.batch_size, "batch_size", at_most=MOST_IMAGES, error=StudyError, cure=cure)
        whole_number(self.device, "device", at_least=0, error=StudyError, cure="Leave it out or give 0.")
        if self.precision not in PRECISIONS:
            raise StudyError(
                f"unknown precision {self.precision!r}", where="precision", cure=f"Use one of {', '.join(PRECISIONS)}."
            )
        if not isinstance(self.workspace, Workspace):
            object.__setattr__(self, "workspace", open_workspace(self.workspace))

    def __repr__(self) -> str:
        dataset, weights = (getattr(thing, "path", thing) for thing in (self.dataset, self.weights))
        return (
            f"study of {weights} on {dataset}: batch size {self.batch_size}, {self.backend} backend, device "
            f"{self.device}, {self.precision}"
        )

    @property
    def asked_precision(self) -> str | None:
        """What a session is asked for; None for the default, which every backend takes."""
        return None if self.precision == "float32" else self.precision

    @property
    def place(self) -> Workspace:
        """The workspace, opened."""
        assert isinstance(self.workspace, Workspace)  # since __post_init__
        return self.workspace


def distinct_batches(batch_sizes: Sequence[int], parameter: str) -> list[int]:
    """Batch sizes, each once, ascending; `parameter` is what the notebook calls them.

    Raises
    ------
    SessionError
        No sequence of whole numbers from 1; text is what papermill makes of a list given with -p.
    """
    cure = f"Give a list of whole numbers from 1; with papermill: -y '{parameter}: [1, 8]'"
    if not isinstance(batch_sizes, Sequence) or isinstance(batch_sizes, (str, bytes)):
        raise SessionError(f"{batch_sizes!r} is no list", where="batch sizes", cure=cure)
    return sorted({whole_number(size, "batch sizes", at_most=MOST_IMAGES, cure=cure) for size in batch_sizes})
