"""OSNet person re-identification, from a PyTorch checkpoint to an Ascend NPU.

Data flows one way through the modules::

    checkpoint -> model -> export -> convert -> session
    market1501 -> preprocess -> features -> metrics -> results -> book

Four rooms hold what belongs together: ``metrics`` the scores, ``plots`` the figures, ``ascend`` the way to the NPU,
``guide`` the files that the guide and Huawei's tools exchange.
"""

from .version import __version__ as __version__
