"""OSNet person re-identification, from a PyTorch checkpoint to an Ascend NPU.

Data flows one way through the modules::

    checkpoint -> model -> export -> convert -> session
    market1501 -> preprocess -> features -> metrics -> results -> book

Its packages stand in rows, and each imports only from the rows below its own: the contract in ``pyproject.toml``.
"""

from .version import __version__ as __version__
