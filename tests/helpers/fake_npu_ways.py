"""Fakes of ONNX Runtime's CANN provider and of torch_npu: both compute on the CPU and keep what they were asked for."""

from __future__ import annotations

import sys
import threading
from types import ModuleType, SimpleNamespace

import onnxruntime
import torch

from osnet_lib.inference import cann

# Once torch knows the word "npu" it asks a module of that name, also after the test: this one knows no device.
NO_NPU = SimpleNamespace(
    is_available=lambda: False,
    device_count=lambda: 0,
    current_device=lambda: 0,
    manual_seed_all=lambda seed: None,
    _is_in_bad_fork=lambda: False,
)

BOTH = [cann.PROVIDER, "CPUExecutionProvider"]


class FakeCann:
    """ONNX Runtime with the provider; `opened` holds the providers and keywords of each session that asked for it."""

    def __init__(self, monkeypatch):
        self.opened: list[tuple[list, dict]] = []
        self.active, self.error, self.defaults = list(BOTH), None, {"precision_mode": "force_fp16"}
        real, fake = onnxruntime.InferenceSession, self

        class InferenceSession(real):
            def __init__(self, path, options=None, providers=None, **keywords):
                self.on_npu = bool(providers) and providers[0][0] == cann.PROVIDER
                if self.on_npu:
                    fake.opened.append((providers, keywords))
                    if fake.error:
                        raise RuntimeError(fake.error)
                super().__init__(path, options, providers=["CPUExecutionProvider"])

            def get_providers(self):
                return fake.active if self.on_npu else super().get_providers()

            def get_provider_options(self):
                given = fake.opened[-1][0][0][1]
                return {cann.PROVIDER: {name: str(value) for name, value in {**fake.defaults, **given}.items()}}

        monkeypatch.setattr(onnxruntime, "InferenceSession", InferenceSession)
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(BOTH))
        monkeypatch.setattr(cann, "count_devices", lambda: 0)


class FakeTorchNpu:
    """torch_npu, with the CPU's arithmetic: devices, names, what went where, and threads that have no device yet."""

    def __init__(self, monkeypatch, devices: int = 2):
        self.devices, self.seen, self.hf32 = devices, [], []
        self._thread = threading.local()
        real = torch.Tensor.to

        def to(tensor, *args, **keywords):
            place = next((a for a in args if isinstance(a, torch.device) and a.type == "npu"), None)
            if place is None:
                return real(tensor, *args, **keywords)
            if getattr(self._thread, "place", None) != place:
                raise RuntimeError("107002: ctx is NULL\nset_device first")
            self.seen.append(str(place))
            self.hf32.append((torch.npu.conv.allow_hf32, torch.npu.matmul.allow_hf32))
            return tensor.clone()

        module = ModuleType("torch_npu")
        npu = SimpleNamespace(
            **vars(NO_NPU)
            | dict(
                device_count=lambda: self.devices,
                get_device_name=lambda device: "Ascend910B4",
                set_device=lambda place: setattr(self._thread, "place", place),
                conv=SimpleNamespace(allow_hf32=True),  # as torch_npu has it
                matmul=SimpleNamespace(allow_hf32=False),
            )
        )
        torch.utils.rename_privateuse1_backend("npu")  # so that torch.device knows the word; it stays
        torch.npu = NO_NPU
        monkeypatch.setitem(sys.modules, "torch_npu", module)
        monkeypatch.setattr(torch, "npu", npu, raising=False)
        monkeypatch.setattr(torch.Tensor, "to", to)
