"""Every failure this package reports, as one small hierarchy.

A message answers three questions on one line: where, what, and what to do.
"""

from __future__ import annotations

import re
from os import PathLike

_CONTROL = re.compile("[\0-\x1f\x7f]")  # a file may hold them, and a line break would make two lines of a message


class OSNetError(Exception):
    """Base class: catch it to catch every refusal of this package.

    Parameters
    ----------
    what : str
        What is wrong, in one sentence without a final full stop.
    where : str or path, optional
        The file, tensor or parameter concerned; it starts the message.
    cure : str, optional
        What the reader can do about it; it ends the message.
    """

    def __init__(self, what: str, *, where: str | PathLike[str] | None = None, cure: str | None = None):
        self.what, self.where, self.cure = what, where, cure
        message = f"{where}: {what}" if where is not None else what
        message = f"{message}. {cure}" if cure else message
        super().__init__(_CONTROL.sub(lambda sign: repr(sign[0])[1:-1], message))


class CheckpointError(OSNetError):
    """A weights file that cannot be found, trusted, read or matched to an OSNet."""


class ExportError(OSNetError):
    """An ONNX file that could not be written, simplified or is not this network."""


class ParityError(ExportError):
    """A converted model whose features differ from the reference by more than the tolerance."""


class ConvertError(OSNetError):
    """An ONNX file that cannot become an Ascend OM."""


class DatasetError(OSNetError):
    """Images that are missing, damaged or not in Market-1501's layout."""


class StoreError(OSNetError):
    """An object store that does not answer, refuses, or has no such bucket or object."""


class SessionError(OSNetError):
    """A backend, device or model that cannot run, or a batch it cannot take."""


class FeatureError(OSNetError):
    """Feature files that are damaged, incomplete or do not belong together."""


class MetricError(OSNetError):
    """Features or labels from which no ReID score can be computed."""


class ResultError(OSNetError):
    """A result file that is damaged or lacks its conditions."""


class StudyError(OSNetError):
    """A study run, notebook or parameter that failed or does not exist."""


class ClusterError(OSNetError):
    """A Ray cluster that is not there, or whose nodes lack what the work needs."""


class BusyError(OSNetError):
    """A file that another run holds at this moment: the same command works later."""


def first_line(error: BaseException) -> str:
    """A library's message, fit for one line of ours."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160].rstrip(". ")
