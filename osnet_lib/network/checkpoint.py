"""Checkpoint files: read safely, recognised from their tensors, loaded completely or refused."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..core.conditions import ModelFacts, short
from ..core.files import sha256
from ..core.line import one_line
from ..errors import CheckpointError
from .integrity import unchecked
from .osnet import ARCHITECTURES, Architecture, OSNet
from .state_dict import TOP, StateDict, find_state_dict, is_plain, listed
from .tensor_check import check_tensors, classifier_width
from .tensor_file import read_tensor_file
from .weights import is_known, refuse_altered

MARKET_CLASSES = 751  # identities of Market-1501's train split
IMAGENET_CLASSES = 1000
# Networks that normalise their input themselves store how: ImageNet's way for pixels up to 1 or 255, or not at all.
_MEANS = (0.485, 0.456, 0.406), (123.675, 116.28, 103.53), (0.0, 0.0, 0.0)
_DEVIATIONS = (0.229, 0.224, 0.225), (58.395, 57.12, 57.375), (1.0, 1.0, 1.0)


class CheckpointWarning(UserWarning):
    """A checkpoint that loads but whose scores would mislead."""


@dataclass(frozen=True)
class Checkpoint:
    """A model with the facts about the file it came from.

    Attributes
    ----------
    model : OSNet
        In eval mode, float32, without classifier: images ``[N, 3, 256, 128]`` to features ``[N, 512]``.
    architecture : str
        Recognised from the tensors, e.g. ``"osnet_x1_0"``.
    classes : int
        Width of the classifier in the file; 0 where it has none.
    sha256 : str
        Of the file.
    key, prefix : str
        Where in the file the network lay (``"."`` at the top), and what stood before its names and was dropped.
    ignored : tuple of str
        What lay beside its tensors and says nothing about the network, such as the counters of a profiler.
    unchecked : str
        Why damage to the file could go unseen: its format holds no checksum and its sha256 is none that is known.
    """

    path: Path
    model: OSNet
    architecture: str
    classes: int
    sha256: str
    key: str = TOP
    prefix: str = ""
    ignored: tuple[str, ...] = ()
    unchecked: str = ""

    def __repr__(self) -> str:
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        return one_line(
            f"{self.architecture} of {self.path.name} (sha256 {short(self.sha256)}): {parameters:,} parameters, "
            f"trained on {self.trained_on}"
        )

    @property
    def imagenet(self) -> bool:
        """Whether the classifier is ImageNet's: such weights know nothing of people yet."""
        return self.classes == IMAGENET_CLASSES

    @property
    def untrained(self) -> str:
        """How one knows that these weights were never trained; empty where they may have been.

        The first batch that a network is trained on moves the running statistics of its batch norms.
        """
        norms = [m for m in self.model.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d))]
        if any(norm.running_mean.any() or (norm.running_var != 1).any() for norm in norms):
            return ""
        return f"its {len(norms)} batch norms hold mean 0 and variance 1, with which a network is made"

    @property
    def trained_on(self) -> str:
        """What the width of the classifier says about the training data."""
        known = {
            0: "unknown (no classifier in the file)",
            MARKET_CLASSES: "Market-1501 (751 identities)",
            IMAGENET_CLASSES: "ImageNet (1000 classes)",
            702: "DukeMTMC-reID (702 identities)",
            1041: "MSMT17 (1041 identities)",
            4101: "MSMT17, all splits (4101 identities)",
        }
        return known.get(self.classes, f"a data set of {self.classes} identities")

    @property
    def origin(self) -> dict[str, str]:
        """Where the network was found in its file, and what was dropped, ignored and could not be checked, if any."""
        facts = {
            "key": "" if self.key == TOP else self.key,
            "prefix_dropped": self.prefix,
            "ignored": listed(self.ignored),
            "checksum": self.unchecked,
        }
        return {name: words for name, words in facts.items() if words}

    @cached_property
    def facts(self) -> ModelFacts:
        """What a result states of its model."""
        parameters, multiply_adds = complexity(self.model)
        return ModelFacts(
            file=self.path.name,
            sha256=self.sha256,
            architecture=self.architecture,
            classes=self.classes,
            trained_on=self.trained_on,
            parameters=parameters,
            multiply_adds=multiply_adds,
            **self.origin,
        )

    def describe(self) -> dict:
        """`facts` for a result file or a table."""
        return self.facts.as_dict()


def complexity(model: OSNet, height: int = 256, width: int = 128) -> tuple[int, int]:
    """Trainable parameters without the classifier, and multiply-adds of one image.

    Counted are convolutions and linear layers, a weight's every use once (the shared gate of a
    block runs four times and counts four times in the multiply-adds, once in the parameters);
    biases, norms and activations are left out.
    """
    was_training = model.training
    try:
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            model.eval()(torch.zeros(1, 3, height, width, device=next(model.parameters()).device))
    finally:
        model.train(was_training)
    parameters = sum(p.numel() for name, p in model.named_parameters() if not name.startswith("classifier."))
    return parameters, counter.get_total_flops() // 2  # it counts a multiply-add as two


def load_checkpoint(path: str | Path, key: str | None = None) -> Checkpoint:
    """Read a checkpoint and build the model it holds.

    Parameters
    ----------
    path : path
        A file of `torch.save` or safetensors, whatever it is called. The network is found by the names of its tensors
        at any depth (``state_dict``, ``model``, Lightning's and others), and a prefix of all names (``module.``,
        ``backbone.`` and others) is dropped.
    key : str, optional
        Which network, where the file holds several (a model and its moving average); the refusal names them.

    Raises
    ------
    CheckpointError
        No such file; empty, truncated, damaged or not a checkpoint; a pickle that would run code; several networks and
        no key; tensors that are missing, extra, of another shape or beyond what networks hold (named).

    Warns
    -----
    CheckpointWarning
        Weights trained on ImageNet only: they load, but their Rank-1 says nothing about ReID. A network that was made
        for other means and deviations of pixels than those of this study.
    """
    path = Path(path)
    content = read_tensor_file(path)
    refuse_altered(path)
    found = find_state_dict(content, path, key)
    tensors = dict(found.tensors)
    beside = [name for name in found.beside if name in tensors or not name.startswith("classifier.")]
    tensors |= {name: value for name, value in found.beside.items() if name not in beside}
    architecture = recognise(tensors, path)
    model = OSNet(architecture)
    digest = sha256(path)
    check_tensors(tensors, beside, found, model, path)
    model.load_state_dict({k: v.to(torch.float32) for k, v in tensors.items() if not k.startswith("classifier.")})
    checkpoint = Checkpoint(
        path,
        model.eval(),
        architecture.name,
        classifier_width(tensors),
        digest,
        found.key,
        found.prefix,
        tuple(found.ignored),
        "" if is_known(path, digest) else unchecked(path),
    )
    if checkpoint.imagenet:
        warnings.warn(
            f"{path}: the classifier has 1000 rows, so these weights were trained on ImageNet only; a Rank-1 computed "
            "from them means nothing. Use weights trained for person re-identification.",
            CheckpointWarning,
            stacklevel=2,
        )
    for name, value in _other_normalisation(found):
        warnings.warn(
            f"{path}: {name} is {value}, so this network was made for pixels that are normalised in another way than "
            "with the mean and deviation of ImageNet, as here. Expect other features than its author's.",
            CheckpointWarning,
            stacklevel=2,
        )
    return checkpoint


def _other_normalisation(found: StateDict) -> list[tuple[str, list[float]]]:
    """Stored means and deviations of pixels that are none of the known ones."""
    other = []
    for name, value in found.ignored.items():
        known = _MEANS if name.endswith("mean") else _DEVIATIONS if name.endswith("std") else ()
        if known and isinstance(value, torch.Tensor) and is_plain(value):
            values = value.flatten().to(torch.float32)
            if not any(torch.allclose(values, torch.tensor(one), rtol=0.01, atol=0.002) for one in known):
                other.append((name, [round(number, 4) for number in values.tolist()]))
    return other


def recognise(tensors: dict[str, torch.Tensor], path: str | Path = "checkpoint") -> Architecture:
    """Tell the architecture from names and shapes, whatever the file is called.

    The width of the first convolution gives the multiplier, an affine weight without running
    statistics an instance norm, and ``conv2.0.conv2.*`` the stream list that only AIN has.
    """
    first = tensors.get("conv1.conv.weight")
    if first is None or first.ndim != 4:
        raise CheckpointError(
            f"not an OSNet: there is no tensor conv1.conv.weight (it starts with {listed(list(tensors))})",
            where=path,
            cure=f"Known networks: {', '.join(ARCHITECTURES)}.",
        )
    if any(name.startswith("conv2.0.conv2.") for name in tensors):
        variant = "ain"
    else:
        variant = "ibn" if any(name.endswith(".IN.weight") for name in tensors) else ""
    for architecture in ARCHITECTURES.values():
        if architecture.variant == variant and architecture.channels[0] == first.shape[0]:
            return architecture
    raise CheckpointError(
        f"an OSNet of unknown width: conv1 has {first.shape[0]} channels, variant {variant or 'plain'}",
        where=path,
        cure=f"Known networks: {', '.join(ARCHITECTURES)}.",
    )
