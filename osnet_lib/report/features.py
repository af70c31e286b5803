"""Tables of the chapter on inference: feature files, and the first rows of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.table import Table
from .performance import speed_cell

if TYPE_CHECKING:
    from ..features.store import Features


def features_table(splits: dict[str, Features]) -> Table:
    """Sizes of feature files, and the time of the run that made them."""
    return Table.from_records(
        [
            {
                "split": name,
                "images": len(f),
                "numbers in a feature": f.features.shape[1],
                "batch": f.conditions["batch_size"],
                "seconds": speed_cell(f.conditions["seconds"], f.conditions),
            }
            for name, f in splits.items()
        ]
    )


def feature_rows(features: Features, rows: int = 5, values: int = 6) -> Table:
    """The first rows of a feature file, cut after a few values."""
    return Table.from_records(
        [
            {
                "name": str(name),
                "pid": int(pid),
                "camid": int(camid),
                "first values of the feature": "  ".join(f"{v:.3f}" for v in feature[:values]),
            }
            for name, pid, camid, feature, _ in zip(
                features.names, features.pids, features.camids, features.features, range(rows)
            )
        ]
    )
