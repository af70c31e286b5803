"""The network in a checkpoint, found by the names of its tensors: at any depth, under any prefix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError
from .plain_data import Array

# Names that no part of an OSNet has, only the whole: where half of them share a prefix, there is one.
_WHOLE = (
    "conv1.conv.weight",
    "conv2.0.downsample.conv.weight",
    "conv3.0.downsample.conv.weight",
    "conv4.0.downsample.conv.weight",
    "conv5.conv.weight",
    "fc.0.weight",
)
# What tools leave beside or inside a network without changing what it computes, by the last part of the name.
_COUNTERS = frozenset({"total_ops", "total_params", "n_averaged", "num_updates", "initted", "step", "global_step"})
_NORMALISATION = frozenset({"pixel_mean", "pixel_std", "image_mean", "image_std", "mean", "std"})
_COLOURS = 3
_SHOWN = 4  # names in a refusal; the rest is counted
TOP = "."  # the key of a network that lies at the top of the file


class _Nested:
    """In place of a nested tensor, which has no shape."""


def is_plain(value: torch.Tensor) -> bool:
    """Whether its numbers are there, one by one."""
    return not value.is_nested and value.layout == torch.strided and not (value.is_quantized or value.is_meta)


@dataclass(frozen=True)
class StateDict:
    """The tensors of one network.

    Attributes
    ----------
    tensors : dict of str to Tensor
        By the names of `osnet_lib.network.osnet.OSNet`, as stored, whether they belong there or not.
    beside : dict of str to Tensor
        What stood beside the prefix, and may belong to the network: a layer behind it, a loss.
    key : str
        Where it lies, such as ``"state_dict"`` or ``"state_dict.ema_model"``; ``"."`` at the top.
    prefix : str
        What stood before every name and was dropped, such as ``"module."``.
    ignored : dict of str to object
        What lay beside the tensors of the network and does not belong to it: counters, means and deviations of pixels.
    """

    tensors: dict[str, torch.Tensor]
    beside: dict[str, torch.Tensor]
    key: str
    prefix: str
    ignored: dict[str, Any]

    def __repr__(self) -> str:
        return f"{len(self.tensors)} tensors at {self.key}, {len(self.beside)} beside them"


def find_state_dict(content: object, path: Path, key: str | None = None) -> StateDict:
    """The one network in what a file holds.

    Parameters
    ----------
    content : object
        From `osnet_lib.network.tensor_file.read_tensor_file`.
    key : str, optional
        Which one, where there are several, as the refusal names them.

    Raises
    ------
    CheckpointError
        No tensors; none of an OSNet; several networks and no key, or a key that is none of theirs; an entry under a
        name of the network that is no tensor; a tensor of more numbers than are stored.
    """
    found = [_network(*place) for place in _places(content)]
    if not found:
        raise _none(content, path)
    keys = ", ".join(dict.fromkeys(one.key for one in found))
    if key is not None:
        chosen = [one for one in found if one.key == (key.rstrip(".") or TOP)]
        if not chosen:
            cure = (
                f"Choose one of: {keys}." if len(found) > 1 else f"Leave the key out: it holds one network, at {keys}."
            )
            raise CheckpointError(f"holds no network under the key {key!r}", where=path, cure=cure)
        found = chosen[:1]
    _refuse_overdrawn(found, path)
    found = _distinct(found)
    if len(found) > 1:
        raise CheckpointError(
            f"holds {len(found)} networks that differ: {keys}",
            where=path,
            cure=f"Choose one: osnet export --key {found[-1].key}, or load_checkpoint(path, key={found[-1].key!r}).",
        )
    for name, value in found[0].tensors.items():
        if not isinstance(value, torch.Tensor):
            what = "a nested tensor" if isinstance(value, _Nested) else f"a {type(value).__name__}, not a tensor"
            raise CheckpointError(f"entry {name!r} is {what}", where=path, cure="Store plain tensors there.")
    return found[0]


def _dicts(content: object) -> Iterator[tuple[str, Mapping]]:
    """Every dict at any depth with where it lies, outer ones first."""
    queue, seen = [("", content)], set()
    for where, value in queue:  # it grows as it is read
        if id(value) in seen:
            continue
        if isinstance(value, Mapping):
            yield where, value
            inner = value.items()
        elif isinstance(value, (list, tuple)):
            inner = enumerate(value)  # type: ignore[assignment]
        else:
            continue
        seen.add(id(value))
        queue += [
            (f"{where}.{name}".lstrip("."), one) for name, one in inner if isinstance(one, (Mapping, list, tuple))
        ]


def _places(content: object) -> Iterator[tuple[str, str, dict[str, Any], list[str]]]:
    """Every network: where, its prefix, the dict around it, and the other prefixes under which that holds one."""
    for where, entries in _dicts(content):
        held = {_text(name): _tensor(value) for name, value in entries.items()}
        counts: dict[str, int] = {}
        for name in held:
            for part in _WHOLE:
                if name == part or name.endswith(f".{part}"):
                    prefix = name.removesuffix(part)
                    counts[prefix] = counts.get(prefix, 0) + 1
        prefixes = [prefix for prefix, count in counts.items() if count >= len(_WHOLE) / 2]
        for prefix in prefixes:
            yield where, prefix, held, [other for other in prefixes if other != prefix]


def _network(where: str, prefix: str, held: dict[str, Any], others: list[str]) -> StateDict:
    """The network under a prefix, and what else is in its dict but for other networks."""
    tensors, beside, ignored = {}, {}, {}
    for name, value in held.items():
        owner = max((one for one in (prefix, *others) if name.startswith(one)), key=len, default=None)
        if owner not in (prefix, None):
            continue  # of another network
        if isinstance(value, torch.Tensor) and value.is_nested:
            value = _Nested()
        if _is_beside(name, value):
            ignored[name] = value
        elif owner == prefix:
            tensors[name.removeprefix(prefix)] = value
        elif isinstance(value, torch.Tensor):
            beside[name] = value
    # One dict may hold several networks: their prefixes then tell them apart.
    key = ".".join(part for part in (where, prefix.rstrip(".") if others else "") if part) or TOP
    return StateDict(tensors, beside, key, prefix, ignored)


def _is_beside(name: str, value: object) -> bool:
    """Whether an entry says nothing about what the network computes."""
    last = name.rpartition(".")[2]
    if isinstance(value, _Nested):
        return last in _COUNTERS | _NORMALISATION
    if not isinstance(value, torch.Tensor):
        return last not in ("weight", "bias", "running_mean", "running_var")
    if last in _COUNTERS:
        return value.numel() == 1
    return last in _NORMALISATION and value.numel() == _COLOURS


def _refuse_overdrawn(found: list[StateDict], path: Path) -> None:
    """Refuse tensors that show the numbers of their storage again and again: a stride of 0 makes gigabytes of one."""
    for one in found:
        for name, value in one.tensors.items():
            if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.is_meta:
                continue
            held = value.untyped_storage().nbytes() // value.element_size()
            if value.numel() > held:
                raise CheckpointError(
                    f"{one.prefix}{name} has {value.numel():,} numbers, and {held:,} are stored for it",
                    where=path,
                    cure="Save its tensors with .contiguous(), or get the original again.",
                )


def _distinct(found: list[StateDict]) -> list[StateDict]:
    """Without the networks that another place holds to the last bit."""
    kept: list[StateDict] = []
    for one in found:
        if not any(_same(one.tensors, other.tensors) for other in kept):
            kept.append(one)
    return kept


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        isinstance(a, torch.Tensor) and isinstance(b := other[name], torch.Tensor) and (a is b or _equal(a, b))
        for name, a in one.items()
    )


def _equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    try:
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    except (
        RuntimeError,
        NotImplementedError,
    ):  # nested, sparse, quantised, without storage: refused when they are checked
        return False


def _none(content: object, path: Path) -> CheckpointError:
    """The refusal of a file without an OSNet: what it holds in its place."""
    tensors = [
        f"{where}.{name}".lstrip(".")
        for where, entries in _dicts(content)
        for name, value in entries.items()
        if isinstance(_tensor(value), torch.Tensor)
    ]
    if tensors:
        return CheckpointError(
            f"not an OSNet: of the tensors that make one, such as {_WHOLE[0]}, most are missing "
            f"(it holds {listed(tensors)})",
            where=path,
            cure="Give the checkpoint of an OSNet, with the names of torchreid.",
        )
    if isinstance(content, torch.Tensor):
        held = f"is a single tensor of shape {'unknown' if content.is_nested else list(content.shape)}"
    elif isinstance(content, Mapping):
        held = (
            f"holds no tensors, only {', '.join(map(str, list(content)[:_SHOWN]))}" if content else "holds no tensors"
        )
    else:
        held = f"holds no tensors by name, but a {type(content).__name__}"
    return CheckpointError(
        f"{held}, so it is no checkpoint", where=path, cure="Give a state dict, or a file with one in it."
    )


def listed(names: list[str] | tuple[str, ...]) -> str:
    """The first names, and how many more."""
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _text(name: object) -> str:
    """The name of an entry; Python 2 left bytes."""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def _tensor(value: object) -> object:
    """Arrays of numbers become tensors; anything else stays."""
    if isinstance(value, Array) and value.values is not None:
        return torch.from_numpy(value.values)
    return value
