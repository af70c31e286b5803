"""What the tests of the guide's files share: images under names like Market-1501's, and features to go with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from osnet_lib.guide.dump import feature_name, format_feature

STEMS = ["0001_c1s1_000001_00", "0002_c2s1_000002_00", "0003_c6s3_000003_00"]


def features(count: int = len(STEMS), seed: int = 0) -> np.ndarray:
    """Random features, float32 ``[count, 512]``."""
    return np.random.default_rng(seed).standard_normal((count, 512)).astype(np.float32)


def write_feature(folder: Path, stem: str, feature: np.ndarray, form: str = "txt") -> Path:
    """A feature as the old tool leaves it."""
    path = folder / feature_name(stem, form)
    path.write_bytes(format_feature(feature, form))
    return path


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


PURE = "ave_throughputRate = 244.742samples/s, ave_latency = 4.15733ms\n"
VISION = """[e2e] throughputRate: 243.034, latency: 205733
[data read] throughputRate: 258.963, moduleLatency: 3.86155
[preprocess] throughputRate: 258.404, moduleLatency: 3.86991
[infer] throughputRate: 244.435, Interface throughputRate: 382.328, moduleLatency: 3.35758
[post] throughputRate: 15.2772, moduleLatency: 65.457
"""
