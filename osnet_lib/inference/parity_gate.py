"""The parity gate of a single conversion, for those who have no data set at hand: it looks at rendered people."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ..conversion.parity import Parity, check_parity
from ..datasets.minimarket import World, plan, render
from ..datasets.preprocess import preprocess
from ..errors import ParityError
from .session import Session, open_session


def sample_people(count: int) -> np.ndarray:
    """Pictures of mini-market as the network sees them, float32 ``[count, 3, 256, 128]``; at most some 4,500."""
    world = World()
    pictures = [picture for picture in plan(world) if picture.pid > 0][:count]
    return np.stack([preprocess(Image.open(io.BytesIO(render(picture, world)))) for picture in pictures])


def pass_gate(reference: Session, path: Path, stage: str, batch_size: int) -> Parity:
    """Compare a model just written with what it was made from, in batches full and not; remove it when it differs.

    Parameters
    ----------
    reference : Session
        Of the checkpoint or model that `path` was made from.
    stage : str
        Names the conversion in messages.
    batch_size : int
        Images a call.

    Raises
    ------
    ParityError
        Features over the tolerance; `path` is gone then.
    """
    images = sample_people(batch_size + min(max(batch_size - 1, 2), 7))
    try:
        with open_session(path, "onnxruntime") as session:
            return check_parity(reference, session, images, stage, batch_size=batch_size)
    except ParityError:
        path.unlink()
        raise
