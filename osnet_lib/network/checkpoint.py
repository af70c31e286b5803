"""Checkpoint files: read safely, recognised from their tensors, loaded completely or refused."""

from __future__ import annotations

import pickle
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ..core.files import sha256
from ..errors import CheckpointError
from .osnet import ARCHITECTURES, FEATURE_DIM, Architecture, OSNet

MARKET_CLASSES = 751  # identities of Market-1501's train split
IMAGENET_CLASSES = 1000
# torchreid's trainer stores Rank-1 as a numpy scalar beside the weights; numpy 1 and 2 name its type differently.
_SCALAR = np.float64(0).__reduce__()[0]
_NUMPY_SCALARS: list[Any] = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(code)) for code in ("f4", "f8", "i4", "i8")),
]
_NAMED = 4  # tensors named in a refusal; the rest is counted


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
    """

    path: Path
    model: OSNet
    architecture: str
    classes: int
    sha256: str

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

    def describe(self) -> dict:
        """Facts for a result file or a table."""
        parameters, multiply_adds = complexity(self.model)
        return {
            "file": self.path.name,
            "sha256": self.sha256,
            "architecture": self.architecture,
            "classes": self.classes,
            "trained_on": self.trained_on,
            "parameters": parameters,
            "multiply_adds": multiply_adds,
        }


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


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint and build the model it holds.

    Parameters
    ----------
    path : path
        ``.pth``, ``.pt``, ``.pth.tar`` (a state dict, or a dict with one under ``state_dict``;
        ``module.`` prefixes are dropped) or ``.safetensors``.

    Raises
    ------
    CheckpointError
        No such file; empty, truncated or not a checkpoint; a pickle that would run code; tensors
        that are missing, extra or of another shape (named).

    Warns
    -----
    CheckpointWarning
        Weights trained on ImageNet only: they load, but their Rank-1 says nothing about ReID.
    """
    path = Path(path)
    tensors = _clean(_read(path), path)
    architecture = recognise(tensors, path)
    classes = next(iter(tensors["classifier.weight"].shape), 0) if "classifier.weight" in tensors else 0
    model = OSNet(architecture)
    _check(tensors, model, architecture, classes, path)
    model.load_state_dict({k: v for k, v in tensors.items() if not k.startswith("classifier.")})
    checkpoint = Checkpoint(path, model.eval(), architecture.name, classes, sha256(path))
    if checkpoint.imagenet:
        warnings.warn(
            f"{path}: the classifier has 1000 rows, so these weights were trained on ImageNet only; a Rank-1 computed "
            "from them means nothing. Use weights trained for person re-identification.",
            CheckpointWarning,
            stacklevel=2,
        )
    return checkpoint


def _read(path: Path) -> object:
    """Whatever the file holds, without running code from it."""
    if not path.is_file():
        raise CheckpointError(
            "no such checkpoint file", where=path, cure="Give the path of a .pth, .pt, .pth.tar or .safetensors file."
        )
    if path.stat().st_size == 0:
        raise CheckpointError("the file is empty", where=path, cure="Download or copy it again.")
    damaged = "Check its size and sha256 against the source, then download or copy it again."
    plain = "Ask its author for a plain state dict or a .safetensors file."
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(_NUMPY_SCALARS):
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch says both "holds code" and "not a pickle" with this class; only the first names a global or a function.
        if match := re.search(r"(?:GLOBAL|unrecognized function) (\S+)", str(error)):
            raise CheckpointError(
                f"the pickle wants to run code ({match[1]}) and was not loaded", where=path, cure=plain
            ) from error
        # Protocol 4 names globals in a way that torch does not follow; b"\x80" starts a pickle, b"PK" torch's zip.
        with open(path, "rb") as stream:
            is_pickle = stream.read(2).startswith((b"\x80", b"PK"))
        if is_pickle and "Unsupported operand" in str(error):
            raise CheckpointError(
                "the pickle is damaged or may hold code, and was not loaded", where=path, cure=plain
            ) from error
        raise CheckpointError("not a PyTorch checkpoint, or a damaged one", where=path, cure=damaged) from error
    except SafetensorError as error:
        raise CheckpointError(
            f"not a safetensors file, or a truncated one ({error})", where=path, cure=damaged
        ) from error
    except Exception as error:  # damaged bytes make the unpickler fail with IndexError, AttributeError and many others
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120].rstrip(".")
        raise CheckpointError(f"truncated or not a PyTorch checkpoint ({reason})", where=path, cure=damaged) from error


def _clean(content: object, path: Path) -> dict[str, torch.Tensor]:
    """The bare state dict: unwrapped, prefixes dropped, float32."""
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not any(isinstance(v, torch.Tensor) for v in content.values()):
        raise CheckpointError(
            "holds no tensors, so it is no checkpoint",
            where=path,
            cure="Give a state dict, or a dict with one under 'state_dict'.",
        )
    tensors = {}
    for name, value in content.items():
        if not isinstance(value, torch.Tensor):
            raise CheckpointError(
                f"entry {name!r} is a {type(value).__name__}, not a tensor",
                where=path,
                cure="Give a state dict, or a dict with one under 'state_dict'.",
            )
        name = str(name).removeprefix("module.")
        tensors[name] = value.float() if value.is_floating_point() else value
    return tensors


def recognise(tensors: dict[str, torch.Tensor], path: str | Path = "checkpoint") -> Architecture:
    """Tell the architecture from names and shapes, whatever the file is called.

    The width of the first convolution gives the multiplier, an affine weight without running
    statistics an instance norm, and ``conv2.0.conv2.*`` the stream list that only AIN has.
    """
    first = tensors.get("conv1.conv.weight")
    if first is None or first.ndim != 4:
        names = ", ".join(list(tensors)[:_NAMED])
        raise CheckpointError(
            f"not an OSNet: there is no tensor conv1.conv.weight (it starts with {names})",
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


def _check(tensors: dict, model: OSNet, architecture: Architecture, classes: int, path: Path) -> None:
    """Every tensor there, none too many, all of the right shape and finite."""
    expected = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    # A classifier is known but unused; torch < 0.4.1 did not store num_batches_tracked.
    extra_ok = {"classifier.weight": (classes, FEATURE_DIM), "classifier.bias": (classes,)} if classes else {}
    for name in [n for n in expected if n.endswith("num_batches_tracked") and n not in tensors]:
        tensors[name] = torch.tensor(0)
    problems = {
        "missing": [n for n in expected if n not in tensors],
        "unexpected": [n for n in tensors if n not in expected and n not in extra_ok],
        "misshapen": [
            f"{n} {tuple(tensors[n].shape)} instead of {s}"
            for n, s in {**expected, **extra_ok}.items()
            if n in tensors and tuple(tensors[n].shape) != s
        ],
        "non-finite": [n for n in expected if n in tensors and not torch.isfinite(tensors[n]).all()],
    }
    found = [
        f"{len(names)} {kind}: {', '.join(names[:_NAMED])}{' …' if len(names) > _NAMED else ''}"
        for kind, names in problems.items()
        if names
    ]
    if found:
        raise CheckpointError(
            f"does not fit {architecture.name}; {'; '.join(found)}",
            where=path,
            cure="The file is of another network or incomplete; get the original again.",
        )
