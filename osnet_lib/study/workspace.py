"""The folder a study works in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..core.files import absolute

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Workspace:
    """Where models, data, features, results and executed notebooks lie, all below `root`."""

    root: Path

    @property
    def models(self) -> Path:
        return self.root / "work" / "models"

    @property
    def data(self) -> Path:
        return self.root / "work" / "data"

    @property
    def features(self) -> Path:
        return self.root / "work" / "features"

    @property
    def failed(self) -> Path:
        return self.root / "work" / "failed"

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def executed(self) -> Path:
        return self.root / "executed"

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"


def open_workspace(path: str | os.PathLike = "") -> Workspace:
    """The workspace at `path`; else at ``$OSNET_WORKSPACE``; else the checkout; else the current folder."""
    chosen = path or os.environ.get("OSNET_WORKSPACE")
    if not chosen:
        chosen = REPOSITORY if (REPOSITORY / "notebooks").is_dir() else Path.cwd()
    return Workspace(absolute(chosen).resolve())
