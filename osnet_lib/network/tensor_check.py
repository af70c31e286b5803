"""Whether tensors are those of a network: all there, none too many, shaped and typed as they must be."""

from __future__ import annotations

from pathlib import Path

import torch

from ..core.command import python_command
from ..core.file_kind import SAFETENSORS, file_kind
from ..errors import CheckpointError
from .osnet import FEATURE_DIM, OSNet
from .state_dict import StateDict, is_plain, listed

# What no trained network comes near, and one flipped bit in the exponent of a float32 mostly leaves: trained and fresh
# OSNets have weights up to 4, means up to 2 and variances up to 8. Means and variances grow with the scale of the
# pixels, so that networks fed 0 to 255 in place of -2 to 2 still fit.
_WEIGHTS = (-1e4, 1e4)
_BOUNDS = {"running_mean": (-1e6, 1e6), "running_var": (0.0, 1e10), "num_batches_tracked": (0.0, 1e15)}


def check_tensors(
    tensors: dict[str, torch.Tensor], beside: list[str], found: StateDict, model: OSNet, path: Path
) -> None:
    """Every tensor there, none too many, all of the right shape and type, finite and within bounds.

    Parameters
    ----------
    tensors : dict
        By the names of `model`; counters that old versions of torch did not store are added.
    beside : list of str
        What stood beside the network and is not known to be harmless.
    found : StateDict
        Where they come from.

    Raises
    ------
    CheckpointError
        With the tensors that do not fit; where there are only too many, with the command that leaves them out.
    """
    architecture = model.architecture
    classes = classifier_width(tensors)
    expected = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    # A classifier is known but unused; torch < 0.4.1 did not store num_batches_tracked.
    extra_ok = {"classifier.weight": (classes, FEATURE_DIM), "classifier.bias": (classes,)} if classes else {}
    for name in [n for n in expected if n.endswith("num_batches_tracked") and n not in tensors]:
        tensors[name] = torch.tensor(0)
    there = [n for n in expected if n in tensors]
    unexpected = [n for n in tensors if n not in expected and n not in extra_ok] + beside
    stored = [found.prefix + name for name in unexpected[: len(unexpected) - len(beside)]] + beside
    typed = [n for n in there if is_plain(tensors[n]) and _is_kind(n, tensors[n])]
    problems = {
        "missing": [n for n in expected if n not in tensors],
        "unexpected": unexpected,
        "misshapen": [
            f"{n} {tuple(tensors[n].shape)} instead of {s}"
            for n, s in {**expected, **extra_ok}.items()
            if n in tensors and tuple(tensors[n].shape) != s
        ],
        "of another type": [f"{n} {tensors[n].dtype}".replace("torch.", "") for n in there if n not in typed],
        "non-finite": [n for n in typed if not torch.isfinite(tensors[n].to(torch.float32)).all()],
    }
    whole = [n for n in (*typed, *extra_ok) if n not in problems["non-finite"] and n in tensors]
    problems["beyond any trained network, so damaged"] = [
        f"{n} {value:.2g}" for n in whole if (value := _beyond(n, tensors[n])) is not None
    ]
    if unexpected and not any(names for kind, names in problems.items() if kind != "unexpected"):
        kept = [found.prefix + name for name in expected]
        raise CheckpointError(
            f"holds a whole {architecture.name} and {len(unexpected)} unexpected: {listed(unexpected)}",
            where=path,
            cure="A layer behind the network makes other features than those computed here. If you want the features "
            f"before it, save the file without: {_without(stored, kept, found.key, path)}",
        )
    wrong = [f"{len(names)} {kind}: {listed(names)}" for kind, names in problems.items() if names]
    if wrong:
        raise CheckpointError(
            f"does not fit {architecture.name}; {'; '.join(wrong)}",
            where=path,
            cure="The file is damaged, incomplete or of another network; get the original again.",
        )


def _beyond(name: str, tensor: torch.Tensor) -> float | None:
    """The value that is farthest out of the bounds of its kind; None where all are inside."""
    if not (tensor.numel() and is_plain(tensor) and _is_kind(name, tensor)):
        return None
    least, most = _BOUNDS.get(name.rpartition(".")[2], _WEIGHTS)
    low, high = (float(value) for value in tensor.to(torch.float32).aminmax())
    return high if not high <= most else low if not low >= least else None


def classifier_width(tensors: dict[str, torch.Tensor]) -> int:
    """Width of the classifier; 0 where there is none."""
    return next(iter(tensors["classifier.weight"].shape), 0) if "classifier.weight" in tensors else 0


def _without(unwanted: list[str], wanted: list[str], key: str, path: Path) -> str:
    """The command that saves a checkpoint without some tensors, by the layers that hold none of the others."""
    layers: list[str] = []
    for name in unwanted:
        parts = name.split(".")
        heads = (".".join(parts[:length]) + "." for length in range(1, len(parts) + 1))
        layers += [next(head for head in heads if not any(one.startswith(head) for one in wanted))]
    if file_kind(path).name == SAFETENSORS:
        load = f"from safetensors.torch import load_file; held = load_file({path.name!r})"
    else:
        places = "".join(f"[{part!r}]" for part in key.split(".") if part)
        load = f"held = torch.load({path.name!r}){places}"
    kept = f"{{k: v for k, v in held.items() if not (k + '.').startswith({tuple(dict.fromkeys(layers))})}}"
    return python_command(f"import torch; {load}; torch.save({kept}, 'weights.pth')")


def _is_kind(name: str, value: torch.Tensor) -> bool:
    """Whether it holds real numbers, and whole ones only where they count; quantised weights are whole numbers too."""
    return not value.is_complex() and (value.is_floating_point() or name.endswith("num_batches_tracked"))
