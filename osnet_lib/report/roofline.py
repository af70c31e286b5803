"""The roofline in tables and words, every number computed from data sheets, the graph and published figures."""

from __future__ import annotations

from ..core.table import Table
from ..published.chips import Chip, chips, find_chip
from ..published.operators import network_layers
from ..published.roofline import (
    NETWORK,
    RooflinePoint,
    Step,
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
    """Published speeds with the part of the peak they use, and the bounds computed for the same batch."""
    points = roofline_points() if points is None else points
    records = [
        {
            "chip": p.chip.name,
            "batch": p.batch_size,
            "images/s (published)": p.throughput,
            "TFLOPS": p.tflops,
            "of the peak": p.share_of_peak,
            "bound by": p.bound,
            "images/s at most, all through memory": p.memory_bound,
            "images/s at most, what fits stays on chip": p.on_chip_bound,
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
            "images/s at most, all through memory": ".0f",
            "images/s at most, what fits stays on chip": ".0f",
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
    for name, points in _by_chip().items():
        memory = moved / find_chip(name).bandwidth_gbs / 1e6
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


def explain_best_batch() -> str:
    """In words (Markdown), why a middle batch is the fastest of the published ones, and how far that is certain."""
    layers, parts = network_layers(NETWORK), []
    moved = sum(layer.input_bytes + layer.output_bytes for layer in layers)
    parts.append(
        f"OSNet x1.0 needs {operations(layers) / 1e9:.2f} G operations an image, and its {len(layers)} operators "
        f"read and write {moved / 1e6:.0f} MB of activations for it in half precision: "
        f"{network_intensity(layers, 8):.0f} operations a byte at batch 8, where the chips want "
        + " and ".join(f"{find_chip(name).ridge:.0f} ({name})" for name in _by_chip())
        + ". It is bound by memory, not by arithmetic, unless activations stay on the chip."
    )
    for name, points in _by_chip().items():
        best = max(points, key=lambda p: p.throughput)
        chip, steps = best.chip, marginal_times(points)
        # What a call costs besides its images, if the first images cost what the next ones do.
        fixed = 1000 / points[0].throughput - steps[0].ms_per_image * points[0].batch_size
        memory = moved / chip.bandwidth_gbs / 1e6
        own, waiting = (_spills(chip, kept_too) for kept_too in (False, True))
        parts.append(
            f"**{name}.** Published best: batch {best.batch_size}, {best.throughput:g} images/s, {best.tflops:.2f} "
            f"TFLOPS, {best.share_of_peak:.1%} of the peak. A call costs about {fixed:.2g} ms whatever its size, which "
            f"larger batches share: that is the rise. One image more costs "
            + ", ".join(f"{s.ms_per_image:.3g} ms from {s.smaller} to {s.larger}" for s in steps)
            + f"; all its activations need {memory:.3g} ms through the memory. "
            + _verdict(steps, best, memory)
            + f" In the graph, the bytes an image sends through the memory grow most from batch {own[0]} to {own[1]}, "
            f"as operators outgrow the {chip.l2_mib:g} MiB of L2, and from {waiting[0]} to {waiting[1]} when tensors "
            "that wait for a later operator take room there too."
        )
    parts.append(
        "So the rise is the fixed cost of a call, and the fall is consistent with activations that no longer fit the "
        "chip. The two counts bracket the published peak; which tensors the compiler really keeps, how it splits "
        "operators into tiles, and what the vector unit costs is not known here. It is an explanation from published "
        "and computed figures, not a measurement; on a device, the profiler would decide."
    )
    return "\n\n".join(parts)


def _verdict(steps: list[Step], best: RooflinePoint, memory: float) -> str:
    before = [s.ms_per_image for s in steps if s.larger <= best.batch_size]
    after = [s.ms_per_image for s in steps if s.smaller >= best.batch_size]
    words = f"Up to batch {best.batch_size} that is {max(before) / memory:.0%} of this time at most"
    words += ", so part of them stays on the chip;" if max(before) < memory else ";"
    words += f" beyond it {min(after) / memory:.0%} to {max(after) / memory:.0%}"
    more = ": a larger batch makes each further image dearer than the average so far, and the rate falls."
    return words + (more if min(after) > 1000 / best.throughput else ".")


def _spills(chip: Chip, kept_too: bool, batch_sizes: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)) -> tuple[int, int]:
    """Between which batch sizes the bytes an image sends through the memory grow most."""
    layers = network_layers(NETWORK)
    # Without the weights, which shrink with the batch.
    moved = [
        (memory_bytes(layers, chip, n, True, kept_too) - memory_bytes(layers, chip, 0, True)) / n for n in batch_sizes
    ]
    place = max(range(1, len(moved)), key=lambda i: moved[i] - moved[i - 1])
    return batch_sizes[place - 1], batch_sizes[place]


def _by_chip() -> dict[str, list[RooflinePoint]]:
    found: dict[str, list[RooflinePoint]] = {}
    for point in roofline_points():
        found.setdefault(point.chip.name, []).append(point)
    return found
