"""The version of this package, a leaf that any module may import."""

__version__ = "0.1.0"
