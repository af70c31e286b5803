"""How large a network is: parameters and multiply-adds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .osnet import OSNet


def complexity(model: OSNet, height: int = 256, width: int = 128) -> tuple[int, int]:
    """Trainable parameters without the classifier, and multiply-adds of one image.

    Counted are convolutions and linear layers, a weight's every use once (the shared gate of a
    block runs four times and counts four times in the multiply-adds, once in the parameters);
    biases, norms and activations are left out.
    """
    total = 0

    def count(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        uses = output[0, 0].numel() if isinstance(module, nn.Conv2d) else 1
        total += module.weight.numel() * uses

    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear)) and m is not model.classifier]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    was_training = model.training
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(1, 3, height, width, device=next(model.parameters()).device))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    parameters = sum(p.numel() for name, p in model.named_parameters() if not name.startswith("classifier."))
    return parameters, total
