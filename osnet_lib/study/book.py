"""The Jupyter Book, built from the prose and the executed notebooks in every language, with warnings as errors."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..core.files import read_text, write_text
from ..errors import StudyError
from ..report.words import fill
from .workspace import Workspace

_TAIL = 80  # lines of the build's output that an error shows
EDITIONS = ("zh_CN",)  # after the first, which is that of _config.yml; each lies in a folder below it


def build_book(workspace: Workspace) -> Path:
    """Build the book of a workspace in every language and return its ``index.html``.

    The editions are built at the same time; the Chinese one lies in ``zh/`` beside the English pages.

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
    first, *others = _build([(program, *files) for files in _configurations(root)], root)
    for language, made in zip(EDITIONS, others):
        place = first / language.partition("_")[0]
        shutil.rmtree(place, ignore_errors=True)
        made.replace(place)
    return first / "index.html"


def _configurations(root: Path) -> list[tuple[Path, Path]]:
    """The configuration of each edition, which is that of the book but for its language, and where it is built."""
    import yaml  # type: ignore[import-untyped]  # what the package does not need by itself

    common: dict[str, Any] = yaml.safe_load(read_text(root / "_config.yml"))
    settings = common["sphinx"]["config"]
    first = settings["language"]
    settings["editions"] = [first, *EDITIONS]
    local = common["sphinx"]["local_extensions"]  # which count from the configuration
    local |= {name: str(root / folder) for name, folder in local.items()}
    made = []
    for language in settings["editions"]:
        if language != first:
            common["title"] = fill("book title", language)
        settings["html_theme_options"]["search_bar_text"] = fill("search hint", language)
        settings["language"] = language
        output = root if language == first else root / "_build" / language
        path = root / "_build" / f"{language}.yml"
        write_text(path, yaml.safe_dump(common, allow_unicode=True))
        made.append((path, output))
    return made


def _build(editions: list[tuple[str, Path, Path]], root: Path) -> list[Path]:
    """Build editions at the same time and return their folders; StudyError where one warned."""
    builds: list[tuple[subprocess.Popen[str], Path]] = []
    try:
        for program, configuration, output in editions:
            # all: every sidebar lists a new page
            command = [program, "build", str(root), "-W", "-n", "--keep-going", "--all"]
            command += ["--config", str(configuration), "--path-output", str(output)]
            build = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            builds.append((build, output / "_build" / "html"))
        told = [build.communicate()[0] for build, _ in builds]
    finally:
        for build, _ in builds:
            build.kill()  # does nothing to one that has ended
    for said, (build, html) in zip(told, builds):
        if build.returncode or not (html / "index.html").is_file():
            lines = said.strip().splitlines()
            shown = [line for line in lines if "WARNING" in line or "ERROR" in line] or lines
            raise StudyError(
                f"jupyter-book ended with exit code {build.returncode}:\n" + "\n".join(shown[-_TAIL:]),
                where=root,
                cure="Mend the page that it names and run it again.",
            )
    return [html for _, html in builds]
