"""Ascend chips as their data sheets describe them, read from ``resources/chips.json``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..core.files import read_json
from ..errors import ResultError

CUBE = 16 * 16 * 16  # multiply-adds of an AI core's matrix unit per clock, half precision
_FILE = Path(__file__).parents[1] / "resources" / "chips.json"


@dataclass(frozen=True)
class Chip:
    """An Ascend chip as its platform file and product page describe it; None where neither says.

    Attributes
    ----------
    l2_mib : float or None
        On-chip memory that all cores share, MiB.
    bandwidth_gbs : float or None
        Of the memory beside the chip, 10^9 bytes per second.
    """

    name: str
    soc_version: str
    ai_cores: int
    clock_mhz: float
    l2_mib: float | None
    memory_gb: float | None
    bandwidth_gbs: float | None
    source: str
    note: str

    @property
    def peak_tflops(self) -> float:
        """Half precision: cores x 16x16x16 multiply-adds x 2 x clock."""
        return self.ai_cores * CUBE * 2 * self.clock_mhz / 1e6

    @property
    def ridge(self) -> float | None:
        """Operations per byte from which on the peak is the bound, not the memory."""
        return self.peak_tflops * 1e3 / self.bandwidth_gbs if self.bandwidth_gbs else None

    def attainable_tflops(self, intensity: float) -> float:
        """The roof above an arithmetic intensity (operations per byte); only the peak where no bandwidth is known."""
        roof = self.bandwidth_gbs * intensity / 1e3 if self.bandwidth_gbs else self.peak_tflops
        return min(self.peak_tflops, roof)


@lru_cache(maxsize=1)
def chips() -> tuple[Chip, ...]:
    """The chips on file."""
    return tuple(Chip(**entry) for entry in read_json(_FILE)["chips"])


def find_chip(name: str) -> Chip:
    """A chip by its name or soc_version; ResultError when it is not on file."""
    for chip in chips():
        if name in (chip.name, chip.soc_version):
            return chip
    raise ResultError("no such chip on file", where=name, cure=f"Use one of {', '.join(c.name for c in chips())}.")
