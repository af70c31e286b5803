"""What a loaded OM says about itself, and whether it is this network."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from ..conversion.interface import FEATURE_SHAPE, IMAGE_SHAPE
from ..errors import SessionError
from .acl import Acl
from .acl_codes import DTYPES, GEAR_INPUT

_AIPP_SHAPE = (*IMAGE_SHAPE[1:], IMAGE_SHAPE[0])  # uint8 pixels, height, width, RGB: normalised on the device
_CURE = "Give an OM that osnet convert made of an OSNet of this study."


@dataclass(frozen=True)
class OmNetwork:
    """Inputs and output of an OM.

    Attributes
    ----------
    input_shape : tuple of int
        ``(N, 3, 256, 128)``, or ``(N, 256, 128, 3)`` for uint8; N is the largest batch.
    input_dtype, output_dtype : numpy.dtype
    gears : tuple of int
        Batch sizes it computes, ascending; one for a static OM.
    gear_input : int
        The input that carries the batch of a dynamic OM; 0 for a static one.
    input_sizes : list of int
        Bytes of each input, in order; the images are the first.
    output_bytes : int
    """

    input_shape: tuple[int, ...]
    input_dtype: np.dtype
    output_dtype: np.dtype
    gears: tuple[int, ...]
    gear_input: int
    input_sizes: list[int]
    output_bytes: int

    @property
    def input_bytes(self) -> int:
        return self.input_sizes[0]

    def feature_bytes(self, images: int) -> int:
        """Bytes of the features of so many images."""
        return images * prod(FEATURE_SHAPE) * self.output_dtype.itemsize


def read_network(acl: Acl, desc: int, model: Path) -> OmNetwork:
    """Read a description that get_desc filled.

    Raises
    ------
    SessionError
        Another number of inputs or outputs, another shape or data type than OSNet's.
    AclError
        A call that failed.
    """

    def refuse(what: str) -> SessionError:
        return SessionError(f"not an OSNet of this study: {what}", where=model, cure=_CURE)

    inputs, outputs = acl("acl.mdl.get_num_inputs", desc), acl("acl.mdl.get_num_outputs", desc)
    if inputs not in (1, 2) or outputs != 1:
        raise refuse(f"{inputs} inputs and {outputs} outputs")
    gears: tuple[int, ...] = ()
    gear_input = 0
    if inputs == 2:
        gear_input = acl("acl.mdl.get_input_index_by_name", desc, GEAR_INPUT)
        gears = tuple(sorted(acl("acl.mdl.get_dynamic_batch", desc)["batch"]))
        if gear_input != 1 or not gears:
            raise refuse(f"its second input is not {GEAR_INPUT}")
    given, taken = (acl(f"acl.mdl.get_{side}_dims", desc, 0)["dims"] for side in ("input", "output"))
    dtype, output_dtype = (DTYPES.get(acl(f"acl.mdl.get_{side}_data_type", desc, 0)) for side in ("input", "output"))
    gears = gears or tuple(given[:1])
    largest = gears[-1] if gears else 0
    shape = _AIPP_SHAPE if dtype == np.uint8 else IMAGE_SHAPE
    if tuple(given[1:]) != shape or given[0] not in (-1, largest) or largest < 1 or dtype is None:
        raise refuse(f"its input is {dtype or 'of another data type'} {list(given)}")
    if (
        tuple(taken[1:]) != FEATURE_SHAPE
        or taken[0] not in (-1, largest)
        or output_dtype is None
        or output_dtype.type not in (np.float32, np.float16)
    ):
        raise refuse(f"its output is {output_dtype or 'of another data type'} {list(taken)}")
    sizes = [int(acl("acl.mdl.get_input_size_by_index", desc, index)) for index in range(inputs)]
    output_bytes = int(acl("acl.mdl.get_output_size_by_index", desc, 0))
    network = OmNetwork((int(largest), *shape), dtype, output_dtype, gears, gear_input, sizes, output_bytes)
    least = largest * prod(shape) * dtype.itemsize, network.feature_bytes(largest)
    if min(sizes) < 1 or sizes[0] < least[0] or output_bytes < least[1]:
        raise refuse(f"inputs of {sizes} bytes and an output of {output_bytes}, at least {list(least)} are needed")
    return network
