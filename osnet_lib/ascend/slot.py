"""What one batch needs on its way through an NPU: device and pinned memory, the data sets, its events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import acl_codes as codes
from .acl import Acl, Held
from .om import OmNetwork


@dataclass
class Slot:
    """One batch on its way: data sets, their memory, and the events of a batch in flight.

    `host_in` and `host_out` are pinned memory; 0 in run mode device, where the device's memory is the host's.
    """

    inputs: int
    outputs: int
    device_in: int
    device_out: int
    host_in: int = 0
    host_out: int = 0
    images: int = 0
    events: list[int] = field(default_factory=list)


def make(acl: Acl, held: Held, call: str, *args: Any, release: str) -> int:
    """The handle or address that a call gives; its release is noted at once, so that nothing is lost on a failure."""
    made = acl(call, *args)
    held.add(acl, release, made)
    return made


def make_slot(acl: Acl, held: Held, network: OmNetwork, pinned: bool) -> Slot:
    """Memory and data sets for batches as large as the network takes.

    Raises
    ------
    AclError
        A call that failed; what was made before stands in `held`.
    """
    inputs, device_in = _make_dataset(acl, held, network.input_sizes)
    outputs, device_out = _make_dataset(acl, held, [network.output_bytes])
    slot = Slot(inputs, outputs, device_in[0], device_out[0])
    if pinned:
        slot.host_in, slot.host_out = (
            make(acl, held, "acl.rt.malloc_host", size, release="acl.rt.free_host")
            for size in (network.input_bytes, network.output_bytes)
        )
    return slot


def _make_dataset(acl: Acl, held: Held, sizes: list[int]) -> tuple[int, list[int]]:
    """A data set with a buffer of each size, and the buffers' addresses."""
    dataset = make(acl, held, "acl.mdl.create_dataset", release="acl.mdl.destroy_dataset")
    addresses = []
    for size in sizes:
        address = make(acl, held, "acl.rt.malloc", size, codes.HUGE_FIRST, release="acl.rt.free")
        buffer = make(acl, held, "acl.create_data_buffer", address, size, release="acl.destroy_data_buffer")
        acl("acl.mdl.add_dataset_buffer", dataset, buffer)
        addresses.append(address)
    return dataset, addresses
