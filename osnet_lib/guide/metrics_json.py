"""The guide's file of scores, ``result.json``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..core.files import write_text


def write_guide_json(path: str | Path, rank1: float, mAP: float) -> Path:
    """Write Rank-1 and mAP (fractions) byte for byte as the guide's metrics script does.

    One line, values as text; Rank-1 is a float32 there, so that 3176 of 3368 reads ``0.94299287``.
    """
    entries = [{"key": "R1", "value": str(np.float32(rank1))}, {"key": "mAP", "value": str(float(mAP))}]
    return write_text(path, json.dumps({"title": "Overall statistical evaluation", "value": entries}))
