"""The roofline in tables and words, every number computed from data sheets, the graph and published figures."""

from __future__ import annotations

from ..core.table import Table
from ..published.chips import Chip, chips, find_chip
from ..published.operators import network_layers
from ..published.roofline import (
    NETWORK,
    RooflinePoint,
    marginal_times,
    memory_bytes,
    network_intensity,
    operations,
    roofline_points,
)

MIB = 2**20
COMPUTED = "Computed from data sheets, the network's graph and published speeds; nothing here was measured"


def chips_table() -> Table:
    """The chips on file: peak in half precision, memory, and where the roofs meet."""
    records = [
        {
            "chip": c.name,
            "AI cores": c.ai_cores,
            "clock, MHz": c.clock_mhz,
            "fp16 peak, TFLOPS (computed)": c.peak_tflops,
            "memory, GB/s": c.bandwidth_gbs,
            "ridge, operations/byte (computed)": c.ridge,
            "L2, MiB": c.l2_mib,
            "source": c.source,
            "note": c.note,
        }
        for c in chips()
    ]
    return Table.from_records(
        records,
        formats={
            "fp16 peak, TFLOPS (computed)": ".1f",
            "memory, GB/s": ".1f",
            "ridge, operations/byte (computed)": ".0f",
        },
    )


def points_table(points: list[RooflinePoint] | None = None) -> Table:
    """Published speeds with the part of the peak they use, the speeds computed under two assumptions, and the bound."""
    points = roofline_points() if points is None else points
    records = [
        {
            "chip": p.label,
            "batch": p.batch_size,
            "images/s (published)": p.throughput,
            "TFLOPS": p.tflops,
            "of the peak": p.share_of_peak,
            "bound by": p.bound,
            "images/s if all goes through memory": p.all_through_memory,
            "images/s if what fits stays on chip": p.kept_if_it_fits,
            "images/s at most": p.at_most,
            "source": p.source,
        }
        for p in points
    ]
    return Table.from_records(
        records,
        caption=COMPUTED,
        formats={
            "images/s (published)": ".10g",
            "TFLOPS": ".2f",
            "of the peak": ".1%",
            "images/s if all goes through memory": ".0f",
            "images/s if what fits stays on chip": ".0f",
            "images/s at most": ".0f",
        },
    )


def kinds_table(batch_size: int = 8) -> Table:
    """Where the work and the bytes of OSNet x1.0 are, by kind of operator, a batch of images per row."""
    layers = network_layers(NETWORK)
    work, moved = operations(layers), sum(layer.working_set(batch_size) for layer in layers)
    records = []
    for kind in dict.fromkeys(layer.kind for layer in layers):
        some = [layer for layer in layers if layer.kind == kind]
        bytes_, macs = sum(layer.working_set(batch_size) for layer in some), sum(layer.macs for layer in some)
        records.append(
            {
                "operators": kind,
                "number": len(some),
                "of the operations": 2 * macs / work,
                "of the bytes": bytes_ / moved,
                "operations/byte": 2 * macs * batch_size / bytes_,
            }
        )
    return Table.from_records(
        records,
        caption=f"OSNet x1.0, batch {batch_size}, half precision; computed",
        formats={"of the operations": ".1%", "of the bytes": ".1%", "operations/byte": ".1f"},
    )


def working_set_table(chip_name: str, batch_sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)) -> Table:
    """At which batch the operators outgrow the L2, and what then passes the memory for each image."""
    chip, layers = find_chip(chip_name), network_layers(NETWORK)
    room = (chip.l2_mib or 0) * MIB
    records = []
    for n in batch_sizes:
        largest = max(layers, key=lambda layer: layer.working_set(n))
        records.append(
            {
                "batch": n,
                "largest operator, MiB": largest.working_set(n) / MIB,
                "operators that do not fit": sum(layer.working_set(n) > room for layer in layers),
                "MB an image through memory": memory_bytes(layers, chip, n, keep=True) / n / 1e6,
                "the same, waiting tensors counted": memory_bytes(layers, chip, n, keep=True, kept_too=True) / n / 1e6,
            }
        )
    caption = f"{chip.name}, {chip.l2_mib or 'unknown'} MiB of L2, {len(layers)} operators of OSNet x1.0; computed"
    return Table.from_records(
        records,
        caption=caption,
        formats={
            "largest operator, MiB": ".1f",
            "MB an image through memory": ".1f",
            "the same, waiting tensors counted": ".1f",
        },
    )


def steps_table() -> Table:
    """What one image more costs, from the published speeds, beside the time its activations take through the memory."""
    layers = network_layers(NETWORK)
    moved = sum(layer.input_bytes + layer.output_bytes for layer in layers)
    records = []
    for name, points in _by_label().items():
        memory = moved / points[0].chip.bandwidth_gbs / 1e6
        records += [
            {
                "chip": name,
                "batch": f"{s.smaller} to {s.larger}",
                "ms for one image more": s.ms_per_image,
                "all its activations through memory, ms": memory,
                "ratio": s.ms_per_image / memory,
            }
            for s in marginal_times(points)
        ]
    return Table.from_records(
        records,
        caption=COMPUTED,
        formats={"ms for one image more": ".3f", "all its activations through memory, ms": ".3f", "ratio": ".2f"},
    )


def network_table() -> Table:
    """What the network asks of any chip, beside what the chips with published speeds offer: operations a byte."""
    layers = network_layers(NETWORK)
    moved = sum(layer.input_bytes + layer.output_bytes for layer in layers)
    return Table.from_mapping(
        {
            "operations an image, G": f"{operations(layers) / 1e9:.2f}",
            "operators": len(layers),
            "activations read and written an image, MB in half precision": f"{moved / 1e6:.0f}",
            "operations a byte at batch 8": f"{network_intensity(layers, 8):.0f}",
            **{
                f"operations a byte at the ridge of {point.chip.name}": f"{point.chip.ridge:.0f}"
                for point in roofline_points()
            },
        }
    )


def best_batch_table() -> Table:
    """The batch at which each published column is fastest, and what the computed causes of rise and fall come to.

    A call's fixed cost is what remains of the smallest batch's time if its images cost what the next ones do. The
    bytes that an image sends through the memory grow most between the two batch sizes named: as operators outgrow the
    L2, and when tensors that wait for a later operator take room there too.
    """
    layers = network_layers(NETWORK)
    moved = sum(layer.input_bytes + layer.output_bytes for layer in layers)
    records = []
    for name, points in _by_label().items():
        best = max(points, key=lambda point: point.throughput)
        steps = marginal_times(points)
        own, waiting = (_spills(best.chip, kept_too) for kept_too in (False, True))
        records.append(
            {
                "chip": name,
                "fastest batch (published)": best.batch_size,
                "images/s (published)": best.throughput,
                "TFLOPS": best.tflops,
                "of the peak": best.share_of_peak,
                "a call, ms": 1000 / points[0].throughput - steps[0].ms_per_image * points[0].batch_size,
                "an image's activations through memory, ms": moved / best.chip.bandwidth_gbs / 1e6,
                "L2, MiB": best.chip.l2_mib,
                "operators outgrow it, batch": f"{own[0]} to {own[1]}",
                "with waiting tensors, batch": f"{waiting[0]} to {waiting[1]}",
                "source": best.source,
            }
        )
    formats = {
        "images/s (published)": "g",
        "TFLOPS": ".2f",
        "of the peak": ".1%",
        "a call, ms": ".2g",
        "an image's activations through memory, ms": ".3g",
        "L2, MiB": "g",
    }
    return Table.from_records(records, caption=COMPUTED, formats=formats)


def _spills(chip: Chip, kept_too: bool, batch_sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)) -> tuple[int, int]:
    """Between which batch sizes the bytes an image sends through the memory grow most."""
    layers = network_layers(NETWORK)
    # Without the weights, which shrink with the batch.
    moved = [
        (memory_bytes(layers, chip, n, True, kept_too) - memory_bytes(layers, chip, 0, True)) / n for n in batch_sizes
    ]
    place = max(range(1, len(moved)), key=lambda i: moved[i] - moved[i - 1])
    return batch_sizes[place - 1], batch_sizes[place]


def _by_label() -> dict[str, list[RooflinePoint]]:
    found: dict[str, list[RooflinePoint]] = {}
    for point in roofline_points():
        found.setdefault(point.label, []).append(point)
    return found
