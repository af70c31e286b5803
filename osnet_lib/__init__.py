"""OSNet person re-identification, from a PyTorch checkpoint to an Ascend NPU.

Data flows one way through the packages::

    network -> conversion -> inference                  checkpoint, ONNX, session on any backend
    datasets -> features -> metrics -> comparison       images, features, scores, which is better
    study -> report, plots                              steps on a workspace, tables, figures

``ascend`` is the way to the NPU, ``guide`` reads and writes the files of the guide and of Huawei's tools, ``published``
quotes others, ``diagnosis`` finds what went wrong, ``core`` is what all stand on. A package imports only from rows
below its own: the contract is in pyproject.toml.
"""

import os

from .version import __version__ as __version__

# torch loads an extension that is installed beside it, and torch_npu without CANN makes `import torch` raise. The
# backend that needs it imports it by name.
os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")
