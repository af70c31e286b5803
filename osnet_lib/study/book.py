"""The Jupyter Book, built from the prose and the executed notebooks with warnings as errors."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ..errors import StudyError
from .workspace import Workspace

_TAIL = 25  # lines of the build's output that an error shows


def build_book(workspace: Workspace) -> Path:
    """Build the book of a workspace and return its ``index.html``.

    Raises
    ------
    StudyError
        No book at this place, jupyter-book not installed, or a build with a warning: its last lines.
    """
    root = workspace.root
    if not (root / "_toc.yml").is_file():
        raise StudyError(
            "no _toc.yml, so there is no book to build", where=root, cure="Run it in a checkout, or use --no-book."
        )
    program = shutil.which(
        "jupyter-book", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    )
    if program is None:
        raise StudyError(
            "jupyter-book is not installed", where="book", cure="pip install -r requirements.txt -c constraints.txt"
        )
    command = [program, "build", str(root), "-W", "-n", "--keep-going", "--all"]  # all: every sidebar lists a new page
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    index = root / "_build" / "html" / "index.html"
    if done.returncode or not index.is_file():
        lines = done.stdout.strip().splitlines()
        shown = [line for line in lines if "WARNING" in line or "ERROR" in line] or lines
        raise StudyError(
            f"jupyter-book ended with exit code {done.returncode}:\n" + "\n".join(shown[-_TAIL:]),
            where=root,
            cure="Mend the page that it names and run it again.",
        )
    return index
