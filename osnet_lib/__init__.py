"""OSNet person re-identification, from a PyTorch checkpoint to an Ascend NPU.

Data flows one way through the modules::

    checkpoint -> model -> export -> convert -> session
    market1501 -> preprocess -> features -> metrics -> results -> book
"""

__version__ = "0.1.0"
