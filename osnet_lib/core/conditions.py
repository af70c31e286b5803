"""The conditions of a measurement, by name: what result files and feature files hold under the same keys.

A fact that a file lacks or states in another form is None, of a dict an empty one, so that files of earlier versions
and of other tools are read; keys that are no fact stay in the file's own conditions.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, TypeVar

_Facts = TypeVar("_Facts", bound="Facts")
_KINDS = {"str": str, "int": int, "bool": bool, "dict": dict}  # by the first word of a fact's annotation


@dataclass(frozen=True)
class Facts:
    """Facts that are read from the dict of a file, and written as one."""

    SOMETIMES: ClassVar[tuple[str, ...]] = ()  #: keys that are left out where there is nothing to say

    @classmethod
    def read(cls: type[_Facts], stated: object) -> _Facts:
        """From what a file holds, which may be anything."""
        found = stated if isinstance(stated, dict) else {}
        kinds = {fact.name: _KINDS[str(fact.type).split(" ")[0].split("[")[0]] for fact in fields(cls)}
        held = {name: found[name] for name, kind in kinds.items() if isinstance(found.get(name), kind)}
        return cls(**{name: dict(value) if isinstance(value, dict) else value for name, value in held.items()})

    def as_dict(self) -> dict[str, Any]:
        """A copy as plain values, ready for JSON."""
        return {
            key: value for key, value in asdict(self).items() if value not in (None, {}) or key not in self.SOMETIMES
        }


@dataclass(frozen=True)
class SessionFacts(Facts):
    """What computed.

    Attributes
    ----------
    backend, provider, device : str, optional
        The backend, by which library path, on what (its name).
    threads : int, optional
    precision : str, optional
    simulated : bool, optional
        Times mean nothing then.
    batch_size : int, optional
        Of a model with a fixed batch.
    model, model_sha256 : str, optional
        The file's name and hash.
    versions : dict of str
        Of onnxruntime, torch, what they need on an NPU, and numpy, as far as installed.
    input, output : str, optional
        What an ONNX file calls them.
    graph : str, optional
        How an ONNX file differs from the plain graph, such as ``"streams fused"``.
    exported_from : dict of str
        Name and hash of the checkpoint that a model was exported from, where a session was opened for that.
    checkpoint : dict of str
        Where in its file the network of a checkpoint lay.
    options : dict
        Of the backend, where some were given.
    """

    SOMETIMES: ClassVar[tuple[str, ...]] = ("input", "output", "graph", "exported_from", "checkpoint", "options")

    backend: str | None = None
    provider: str | None = None
    device: str | None = None
    threads: int | None = None
    precision: str | None = None
    simulated: bool | None = None
    batch_size: int | None = None
    model: str | None = None
    model_sha256: str | None = None
    versions: dict[str, Any] = field(default_factory=dict)
    input: str | None = None
    output: str | None = None
    graph: str | None = None
    exported_from: dict[str, Any] = field(default_factory=dict)
    checkpoint: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelFacts(Facts):
    """The checkpoint that a model is.

    Attributes
    ----------
    file, sha256, architecture : str, optional
    classes : int, optional
        Width of its classifier, 0 without one; `trained_on` is what that says.
    trained_on : str, optional
    parameters, multiply_adds : int, optional
        Of one image, see `osnet_lib.network.checkpoint.complexity`.
    key, prefix_dropped, ignored : str, optional
        Where in its file the network lay, and what was dropped and ignored.
    checksum : str, optional
        Why damage could have gone unseen, where the file holds no checksum.
    """

    SOMETIMES: ClassVar[tuple[str, ...]] = ("key", "prefix_dropped", "ignored", "checksum")

    file: str | None = None
    sha256: str | None = None
    architecture: str | None = None
    classes: int | None = None
    trained_on: str | None = None
    parameters: int | None = None
    multiply_adds: int | None = None
    key: str | None = None
    prefix_dropped: str | None = None
    ignored: str | None = None
    checksum: str | None = None


@dataclass(frozen=True)
class DatasetFacts(Facts):
    """The data set: the name of its file or folder, and the hash of its images."""

    file: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Environment(Facts):
    """Python, platform, cores that may be used, and versions of packages; a version is None where one is absent."""

    python: str | None = None
    system: str | None = None
    machine: str | None = None
    cores: int | None = None
    versions: dict[str, Any] = field(default_factory=dict)


def short(sha256: str | None, digits: int = 8) -> str | None:
    """The first digits of a hash; None where it is not known."""
    return sha256 and sha256[:digits]
