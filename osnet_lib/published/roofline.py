"""How fast a chip could run OSNet, and where the published speeds stand.

Everything here is computed from data sheets (`chips`), the network's graph and published figures; nothing
is measured. The roofline is that of Williams, Waterman and Patterson (CACM 52(4), 2009): an operator runs no faster
than the peak, and no faster than its bytes pass the memory. Which bytes do pass it is an assumption. Two are computed,
all of every operator and only what outgrows the L2; each gives a speed that a chip may exceed which keeps more on chip.
A bound that holds whatever the compiler keeps is `greatest_throughput`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..errors import ResultError
from .chips import Chip, chips
from .operators import Layer, network_layers
from .quoted import PublishedThroughput, published_throughput

NETWORK = "osnet_x1_0"  # the network whose speed was published
# Printed without its variant; of the 310P on file the P3 is the one whose card, the Atlas 300I Pro, was sold then.
TAKEN_AS = {"Ascend 310P": "Ascend 310P3"}


def operations(layers: Sequence[Layer]) -> int:
    """Of one image: two per multiply-add."""
    return 2 * sum(layer.macs for layer in layers)


def network_intensity(layers: Sequence[Layer], batch_size: int) -> float:
    """Operations per byte when every operator reads and writes the memory beside the chip."""
    return operations(layers) * batch_size / sum(layer.working_set(batch_size) for layer in layers)


def memory_bytes(layers: Sequence[Layer], chip: Chip, batch_size: int, keep: bool, kept_too: bool = False) -> int:
    """Bytes of a batch that pass the memory beside the chip.

    Parameters
    ----------
    keep : bool
        False: all of every operator. True: an operator whose working set fits the L2 moves its weights only.
    kept_too : bool
        Whether tensors that wait for a later operator take room in the L2 as well.
    """
    room = (chip.l2_mib or 0) * 2**20 if keep else -1
    total = 0
    for layer in layers:
        needed = layer.working_set(batch_size) + (batch_size * layer.kept_bytes if kept_too else 0)
        total += layer.weight_bytes if needed <= room else layer.working_set(batch_size)
    return total


def attainable_throughput(layers: Sequence[Layer], chip: Chip, batch_size: int, keep: bool = False) -> float:
    """Images per second if operators run one after the other, each at its own roof, with the bytes of `memory_bytes`.

    Parameters
    ----------
    keep : bool
        As in `memory_bytes`; without it, the speed of a chip that keeps no activation between operators.

    Raises
    ------
    ResultError
        A chip whose bandwidth, or with `keep` whose L2, is not on file.
    """
    _need(chip, "bandwidth_gbs", *(["l2_mib"] if keep else []))
    assert chip.bandwidth_gbs is not None
    seconds = sum(
        max(
            2 * layer.macs * batch_size / (chip.peak_tflops * 1e12),
            memory_bytes([layer], chip, batch_size, keep) / (chip.bandwidth_gbs * 1e9),
        )
        for layer in layers
    )
    return batch_size / seconds


def greatest_throughput(layers: Sequence[Layer], chip: Chip) -> float:
    """Images per second that no compiler can exceed: all operations at the peak, or image and feature through memory.

    Everything else might stay on the chip, weights included.

    Raises
    ------
    ResultError
        A chip whose bandwidth is not on file.
    """
    _need(chip, "bandwidth_gbs")
    assert chip.bandwidth_gbs is not None
    computing = operations(layers) / (chip.peak_tflops * 1e12)
    moving = (layers[0].input_bytes + layers[-1].output_bytes) / (chip.bandwidth_gbs * 1e9)
    return 1 / max(computing, moving)


def _need(chip: Chip, *facts: str) -> None:
    missing = [fact for fact in facts if getattr(chip, fact) is None]
    if missing:
        raise ResultError(
            f"{' and '.join(missing)} not on file",
            where=chip.name,
            cure="Choose Ascend 310 or Ascend 310P3, or complete chips.json from a data sheet.",
        )


@dataclass(frozen=True)
class RooflinePoint:
    """A published speed below the roofs of its chip.

    Attributes
    ----------
    label : str
        The device as published, with the setting that tells its columns apart.
    throughput, tflops, share_of_peak : float
        Images/s as published; 10^12 operations per second that this is; its part of the peak.
    intensity : float
        Operations per byte when every operator goes to memory.
    all_through_memory, kept_if_it_fits : float
        Images/s computed under one of the assumptions of `attainable_throughput`; a published speed above shows that
        the chip keeps more.
    at_most : float
        Images/s of `greatest_throughput`.
    bound : str
        Which roof is above that intensity, ``"memory"`` or ``"peak"``.
    """

    chip: Chip
    label: str
    batch_size: int
    throughput: float
    tflops: float
    share_of_peak: float
    intensity: float
    all_through_memory: float
    kept_if_it_fits: float
    at_most: float
    bound: str
    source: str


def roofline_points(published: Sequence[PublishedThroughput] | None = None) -> list[RooflinePoint]:
    """Published speeds of single chips that are on file, in the order of the sources; cards and GPUs are left out.

    A chip printed without its variant is `TAKEN_AS` one that is on file.
    """
    published = published_throughput(NETWORK) if published is None else published
    known = {chip.name: chip for chip in chips() if chip.bandwidth_gbs and chip.l2_mib}
    points = []
    for entry in published:
        name = TAKEN_AS.get(entry.device, entry.device)
        if entry.chips != 1 or name not in known:
            continue
        chip, layers = known[name], network_layers(entry.network)
        tflops, intensity = entry.throughput * operations(layers) / 1e12, network_intensity(layers, entry.batch_size)
        points.append(
            RooflinePoint(
                chip,
                entry.label,
                entry.batch_size,
                entry.throughput,
                tflops,
                tflops / chip.peak_tflops,
                intensity,
                attainable_throughput(layers, chip, entry.batch_size),
                attainable_throughput(layers, chip, entry.batch_size, keep=True),
                greatest_throughput(layers, chip),
                "memory" if intensity < chip.ridge else "peak",
                entry.source,
            )
        )
    return points


@dataclass(frozen=True)
class Step:
    """What one image more costs between two published batch sizes, milliseconds."""

    smaller: int
    larger: int
    ms_per_image: float


def marginal_times(points: Sequence[RooflinePoint]) -> list[Step]:
    """From the rates of one chip: ``(T(b) - T(a)) / (b - a)``, where ``T(n) = n / rate`` is the time of a batch."""
    ordered = sorted(points, key=lambda p: p.batch_size)
    times = [(p.batch_size, 1000 * p.batch_size / p.throughput) for p in ordered]
    return [Step(a, b, (after - before) / (b - a)) for (a, before), (b, after) in pairwise(times)]
