"""The Ascend engine: an OM on an NPU through pyACL.

Everything is acquired at set-up and held until `close`; a run allocates nothing. Two slots, each with its own device
buffers and data sets, let a stream copy one batch while another is computed. The model itself is loaded once and all
its executions go to one stream, for a model must never run twice at the same time.

Calls are serialised by a lock and set the session's context first, so a session may be used from any thread.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..ascend import acl_codes as codes
from ..ascend.acl import Acl, AclError, Held, load_acl, this_process
from ..ascend.acl_memory import lend, read
from ..ascend.om import OmNetwork, read_network
from ..ascend.slot import Slot, make, make_slot
from ..conversion.interface import FEATURE_SHAPE
from ..core.files import sha256
from ..errors import SessionError
from .engine import no_device


class AscendEngine:
    """An OM of this network on one device.

    Raises
    ------
    SessionError
        No pyACL, an unrelated package of its name, no such device, an OM of another network.
    AclError
        Any call that failed; whatever was acquired before is released.
    """

    precision = "chosen by ATC"  # float16 unless it was told otherwise; an OM does not say
    provider = "pyACL"

    def __init__(self, model: Path, device: int, _threads: int = 1):
        module = load_acl()
        self.model, self.sha256 = model, sha256(model)
        self.simulated = getattr(module, "SIMULATED", False) is True
        self._acl, self._held, self._lock = Acl(module, model), Held(), threading.RLock()
        self._slots: list[Slot] = []
        self._flying: deque[Slot] = deque()
        self._streaming = self._closed = False
        self._process_id = os.getpid()
        try:
            network = self._set_up(device)
        except BaseException:
            self._held.release()
            raise
        self.input_shape: tuple[int | None, ...] = network.input_shape
        self.input_dtype, self.gears = network.input_dtype, network.gears
        self.device = f"{'simulated ' if self.simulated else ''}{self._acl.soc or 'Ascend'} device {device}"

    def compute(self, batch: np.ndarray) -> np.ndarray:
        """Copy in, execute, copy out; the batch is as large as one of `gears`."""
        with self._active():
            self._refuse_streaming()
            slot = self._slots[0]
            address, _keep = lend(self._acl, batch)
            kind = codes.HOST_TO_DEVICE if slot.host_in else codes.DEVICE_TO_DEVICE
            self._acl("acl.rt.memcpy", slot.device_in, self._network.input_bytes, address, batch.nbytes, kind)
            self._set_gear(slot, len(batch))
            self._acl("acl.mdl.execute", self._model_id, slot.inputs, slot.outputs)
            size = self._network.feature_bytes(len(batch))
            if slot.host_out:
                self._acl("acl.rt.memcpy", slot.host_out, size, slot.device_out, size, codes.DEVICE_TO_HOST)
            return self._features(slot, len(batch))

    def stream(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """`compute` for many batches, with copies and execution at the same time.

        While batch n is computed, batch n + 1 is copied to the device and the features of batch n - 1 are copied back;
        each has a stream of its own, and events order them. In run mode device there is nothing to copy between.
        """
        if not self._up:
            yield from map(self.compute, batches)
            return
        with self._active():
            self._refuse_streaming()
            self._streaming = True
        try:
            for batch in batches:
                if len(self._flying) == len(self._slots):
                    yield self._collect()
                self._launch(batch)
            while self._flying:
                yield self._collect()
        finally:
            with self._lock:
                self._abandon()

    def close(self) -> None:
        """Release everything, in reverse order of set-up; what fails does not stop the rest.

        Raises
        ------
        AclError
            The first release that failed, after all the others.
        """
        with self._lock:
            if self._closed:
                return
            error = None
            try:
                self._acl("acl.rt.set_context", self._context)
            except AclError as failed:
                error = failed
            self._abandon()
            self._closed = True
            error = self._held.release() or error
        if error:
            raise error

    # ---- set-up -----------------------------------------------------------------------------------------------------

    def _set_up(self, device: int) -> OmNetwork:
        acl, held = self._acl, self._held
        this_process.initialise(acl)
        count = acl("acl.rt.get_device_count")
        if not count:
            raise SessionError(
                "no Ascend device is there",
                where="device",
                cure="Check driver, permissions and container with npu-smi info.",
            )
        if device >= count:
            raise no_device(device, "ascend", count)
        this_process.take(acl, device)
        held.add(this_process.give_back, acl, device)
        self._context = make(acl, held, "acl.rt.create_context", device, release="acl.rt.destroy_context")
        streams = [make(acl, held, "acl.rt.create_stream", release="acl.rt.destroy_stream") for _ in range(3)]
        pinned = acl("acl.rt.get_run_mode") == codes.RUN_ON_HOST
        self._up, self._run, self._down = streams if pinned else (0, 0, 0)
        if hasattr(acl.module, "get_soc_name"):
            acl.soc = acl("acl.get_soc_name")
        self._model_id = make(acl, held, "acl.mdl.load_from_file", str(self.model), release="acl.mdl.unload")
        desc = make(acl, held, "acl.mdl.create_desc", release="acl.mdl.destroy_desc")
        acl("acl.mdl.get_desc", desc, self._model_id)
        self._network = read_network(acl, desc, self.model)
        for _ in range(2 if pinned else 1):
            self._slots.append(make_slot(acl, held, self._network, pinned))
        return self._network

    # ---- a batch in flight ------------------------------------------------------------------------------------------

    def _launch(self, batch: np.ndarray) -> None:
        """Queue copy, execution and copy of one batch; nothing here waits for the device."""
        acl, network = self._acl, self._network
        with self._active():
            slot = next(s for s in self._slots if s not in self._flying)
            slot.images = len(batch)
            self._flying.append(slot)
            address, _keep = lend(acl, batch)
            acl("acl.rt.memcpy", slot.host_in, network.input_bytes, address, batch.nbytes, codes.HOST_TO_HOST)
            acl(
                "acl.rt.memcpy_async",
                slot.device_in,
                network.input_bytes,
                slot.host_in,
                batch.nbytes,
                codes.HOST_TO_DEVICE,
                self._up,
            )
            acl("acl.rt.stream_wait_event", self._run, self._record(slot, self._up))
            self._set_gear(slot, len(batch))
            acl("acl.mdl.execute_async", self._model_id, slot.inputs, slot.outputs, self._run)
            acl("acl.rt.stream_wait_event", self._down, self._record(slot, self._run))
            size = network.feature_bytes(len(batch))
            acl("acl.rt.memcpy_async", slot.host_out, size, slot.device_out, size, codes.DEVICE_TO_HOST, self._down)
            self._record(slot, self._down)

    def _record(self, slot: Slot, stream: int) -> int:
        """A fresh event on a stream: to use one twice it must be reset, for which every CANN has other rules."""
        event = self._acl("acl.rt.create_event")
        slot.events.append(event)
        self._acl("acl.rt.record_event", event, stream)
        return event

    def _collect(self) -> np.ndarray:
        """Wait for the oldest batch in flight and give its features."""
        with self._active():
            slot = self._flying[0]
            self._acl("acl.rt.synchronize_event", slot.events[-1])
            features = self._features(slot, slot.images)
            while slot.events:
                self._acl("acl.rt.destroy_event", slot.events.pop())
            self._flying.popleft()
            return features

    def _abandon(self) -> None:
        """Wait for what is in flight and drop it; errors here come after the one that is being reported."""
        self._streaming = False
        if self._closed or not self._flying:
            return
        held = Held()
        for slot in self._flying:
            while slot.events:
                held.add(self._acl, "acl.rt.destroy_event", slot.events.pop())
        for stream in (self._up, self._run, self._down):
            held.add(self._acl, "acl.rt.synchronize_stream", stream)
        held.add(self._acl, "acl.rt.set_context", self._context)
        held.release()
        self._flying.clear()

    # ---- shared by both ---------------------------------------------------------------------------------------------

    @contextmanager
    def _active(self) -> Iterator[None]:
        """The lock, and the session's context in this thread."""
        with self._lock:
            if self._closed:
                raise SessionError("the session is closed", where=self.model, cure="Open it again with open_session.")
            if os.getpid() != self._process_id:
                raise SessionError(
                    "the session was opened in another process",
                    where=self.model,
                    cure="Open it in the process that uses it, and start processes with spawn.",
                )
            self._acl("acl.rt.set_context", self._context)
            yield

    def _refuse_streaming(self) -> None:
        if self._streaming:
            raise SessionError(
                "the session is in the middle of a stream",
                where=self.model,
                cure="Take the stream's last features or close it, or open a second session.",
            )

    def _set_gear(self, slot: Slot, images: int) -> None:
        if self._network.gear_input:
            self._acl("acl.mdl.set_dynamic_batch_size", self._model_id, slot.inputs, self._network.gear_input, images)

    def _features(self, slot: Slot, images: int) -> np.ndarray:
        features = read(
            self._acl, slot.host_out or slot.device_out, (images, *FEATURE_SHAPE), self._network.output_dtype
        )
        return features.astype(np.float32, copy=False)
