"""OSNet person re-identification, from a PyTorch checkpoint to an Ascend NPU.

The whole study in five lines::

    import osnet_lib as ol

    with ol.open_dataset("mini") as market, ol.open_session("mini") as session:
        query, gallery = ol.extract(session, market)
    score = ol.evaluate(query, gallery)

Data flows one way through the packages::

    network -> conversion -> inference                  checkpoint, ONNX, session on any backend
    datasets -> features -> metrics -> comparison       images, features, scores, which is better
    study -> report, plots                              steps on a workspace, tables, figures

``ascend`` is the way to the NPU, ``guide`` reads and writes the files of the guide and of Huawei's tools, ``published``
quotes others, ``diagnosis`` finds what went wrong, ``core`` is what all stand on. A package imports only from rows
below its own: the contract is in pyproject.toml.
"""

import os as _os
import sys as _sys
from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from .version import __version__ as __version__

if TYPE_CHECKING:
    from .comparison.pair import compare
    from .conversion.export import export_onnx, simplify_onnx
    from .diagnosis.recompute import diagnose
    from .features.store import load_features
    from .inference.extract import extract
    from .inference.session import open_session
    from .metrics.evaluation import evaluate
    from .metrics.uncertainty import bootstrap, paired_test
    from .network.checkpoint import load_checkpoint
    from .study.dataset import open_dataset
    from .study.study import Study
    from .study.workspace import open_workspace

# Nobody is reported on: what is imported below this package, here or in processes of its own, finds its telemetry off.
# ONNX Runtime 1.32 would write a lasting id and a database of events into the user's cache, and look up a host.
_os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# OpenVINO reports its very import, and writes a lasting id into the home. It has no switch but a file there, and a
# stand-in of its own where the package that reports is not to be had.
_sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
# Ray would report the use of a cluster once an hour.
_os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# torch loads an extension that is installed beside it, and torch_npu without CANN makes `import torch` raise. The
# backend that needs it imports it by name.
_os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")

# What the package offers, by the module that defines it; that is imported when the name is first asked for.
FACE = {
    "Study": "study.study",
    "bootstrap": "metrics.uncertainty",
    "compare": "comparison.pair",
    "diagnose": "diagnosis.recompute",
    "evaluate": "metrics.evaluation",
    "export_onnx": "conversion.export",
    "extract": "inference.extract",
    "load_checkpoint": "network.checkpoint",
    "load_features": "features.store",
    "open_dataset": "study.dataset",
    "open_session": "inference.session",
    "open_workspace": "study.workspace",
    "paired_test": "metrics.uncertainty",
    "simplify_onnx": "conversion.export",
}

__all__ = [
    "Study",
    "bootstrap",
    "compare",
    "diagnose",
    "evaluate",
    "export_onnx",
    "extract",
    "load_checkpoint",
    "load_features",
    "open_dataset",
    "open_session",
    "open_workspace",
    "paired_test",
    "simplify_onnx",
]


def __getattr__(name: str) -> object:
    if name not in FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_import_module(f".{FACE[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *FACE})
