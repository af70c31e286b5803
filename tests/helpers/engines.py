"""Engines that a test machine may lack."""

from __future__ import annotations

from importlib.util import find_spec

import pytest


def cpu_has(capability: str) -> bool:
    """Whether OpenVINO says so of this CPU: BF16, FP16, INT8."""
    import openvino

    return capability in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


needs_openvino = pytest.mark.skipif(
    find_spec("openvino") is None, reason="openvino is not installed (no wheel for this system)"
)
