"""The kernel that runs a notebook: the interpreter of the study, whatever ``python3`` names on this host."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, ClassVar

import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode

from ..errors import StudyError, first_line

_COMMAND = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
_NOISY = ("papermill", "traitlets", "asyncio")  # they log what the error says again


class _Kernel(AsyncKernelManager):
    """A kernel of this interpreter; what it prints outside of cells goes to a file, and how it ended is kept."""

    environment: ClassVar[dict[str, str]]
    said: ClassVar[IO[bytes]]
    process: ClassVar[list[subprocess.Popen]]

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(argv=_COMMAND, display_name="Python 3", language="python")

    async def start_kernel(self, **options) -> None:  # type: ignore[override]
        await super().start_kernel(**options, env=self.environment, stdout=self.said, stderr=self.said)
        self.process.append(self.provisioner.process)  # type: ignore[union-attr]


def run_notebook(
    notebook: NotebookNode,
    target: Path,
    parameters: dict,
    folder: Path,
    environment: dict[str, str],
    progress: bool = True,
    where: Path | None = None,
) -> None:
    """Execute a notebook in `folder` and write it to `target`, as far as it got.

    Parameters
    ----------
    environment : dict of str to str
        All variables of the kernel.
    where : Path, optional
        Names the notebook in messages.

    Raises
    ------
    StudyError
        A kernel that did not start, or ended before the notebook did.
    Exception
        A cell that failed: papermill's own, which holds the error's name and words.
    """
    with tempfile.TemporaryFile() as said, quiet():
        process: list[subprocess.Popen] = []
        held = {"environment": environment, "said": said, "process": process}
        try:
            papermill.execute_notebook(
                notebook,
                str(target).replace("{", "{{").replace("}", "}}"),  # papermill formats it
                parameters=parameters,
                kernel_name="python3",
                language="python",
                kernel_manager_class=type("Kernel", (_Kernel,), held),
                progress_bar=progress,
                start_timeout=300,  # seconds, for a host that is busy with something else
                cwd=str(folder),
                # A kernel is interrupted when it is shut down, and may say so as an error.
                extra_arguments=["--IPKernelApp.log_level=50"],
            )
        except (DeadKernelError, RuntimeError) as error:  # nbclient's, jupyter_client's when it does not start
            code = process[0].poll() if process else None
            raise _dead(code, said, error, where) from error


def _dead(code: int | None, said: IO[bytes], error: Exception, where: Path | None) -> StudyError:
    """Why there is no kernel any more, in one line."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        cure = "Run the study again: it continues with this notebook."
        if name == "SIGKILL":
            cure = f"A system that runs out of memory does so: give a smaller batch size, or end other programs. {cure}"
        return StudyError(f"the kernel was ended by signal {-code} ({name})", where=where, cure=cure)
    said.seek(0)
    lines = said.read().decode("utf-8", "replace").strip().splitlines()
    why = f" ({lines[-1][:160].rstrip('. ')})" if lines else ""
    if isinstance(error, DeadKernelError):
        cure = "Run the study again; where it ends so again, run the notebook in Jupyter to see which cell it is."
        return StudyError(f"the kernel ended with exit code {code}{why}", where=where, cure=cure)
    return StudyError(
        f"no kernel started: {first_line(error)}{why}",
        where=where,
        cure=f"Try {sys.executable} -m ipykernel_launcher, and install what it lacks: "
        "pip install -r requirements.txt -c constraints.txt",
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Errors come as exceptions; the libraries' own lines about them would stand beside ours."""
    levels = {name: logging.getLogger(name).level for name in _NOISY}
    for name in levels:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
