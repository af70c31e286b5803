"""The guide's offline inference: preprocessed images of an info file in, a dump folder out."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..core.files import fingerprint, write_text
from ..core.folder_record import FolderRecord
from ..datasets.preprocess import HEIGHT, WIDTH
from ..errors import DatasetError, FeatureError, SessionError
from ..inference.extract import check_batch_size
from ..inference.session import Session
from .binfiles import read_bin
from .dump import FORMATS, dump_folder, feature_name, format_feature
from .info import InfoLine
from .perf import VisionPerf, vision_perf_name


@dataclass(frozen=True)
class Inference:
    """What a run left: the dump folder, how many features, and the speed file (None on a simulated device)."""

    folder: Path
    count: int
    perf: Path | None


def infer(
    session: Session,
    lines: Sequence[InfoLine],
    output: str | Path,
    batch_size: int,
    device: int = 0,
    form: str = "txt",
    progress: bool = True,
) -> Inference:
    """Compute the feature of every image of an info file.

    Parameters
    ----------
    session : Session
        It tells whether files of uint8 are read or those of float32, which it may take as float16.
    lines : sequence of InfoLine
        Paths are taken from the current folder, as by Huawei's tool.
    output : path
        Receives ``dumpOutput_device<device>/<stem>_1.<form>`` and ``perf_vision_batchsize_<N>_device_<device>.txt``.
        What the features were made from and their hashes lie beside the folder, so that those of two runs are never
        taken for one (`osnet_lib.core.folder_record`).
    batch_size : int
        Images a call; the last batch is padded and the padding's features are dropped.
    form : {"txt", "bin"}

    Raises
    ------
    DatasetError
        A file that is absent or of another size; an image of another width or height.
    FeatureError
        A batch size that the session does not take; a batch that it could not compute (its images are named); a dump
        folder that holds other features.
    """
    check_batch_size(session, batch_size)
    if form not in FORMATS:
        raise FeatureError(f"unknown format {form!r}", where="format", cure=f"Use one of {', '.join(FORMATS)}.")
    for line in lines:
        if (line.width, line.height) != (WIDTH, HEIGHT):
            raise DatasetError(
                f"width {line.width}, height {line.height}",
                where=line.path,
                cure=f"The network reads width {WIDTH}, height {HEIGHT}, in this order.",
            )
    folder = dump_folder(output, device)
    _refuse_others(folder, {feature_name(line.stem, form) for line in lines})
    folder.mkdir(parents=True, exist_ok=True)
    record = FolderRecord(folder)
    digest, name = session.facts.model_sha256, session.facts.model
    record.begin(_fingerprint(session, lines, form), (digest, name) if digest and name else None)
    folders = {os.path.dirname(line.path) for line in lines}
    prepared = {folder: made for folder in folders if (made := FolderRecord(folder)).exists}
    stored = "uint8" if session.input_dtype == np.uint8 else "float32"
    clock, began = _Clock(), time.perf_counter()
    waiting: deque[Sequence[InfoLine]] = deque()  # batches that were read and whose features have not come yet

    def images() -> Iterator[np.ndarray]:
        for start in range(0, len(lines), batch_size):
            waiting.append(lines[start : start + batch_size])
            with clock.of("read"):
                read = [_read(line.path, stored, prepared) for line in waiting[-1]]
            with clock.of("preprocess"):
                stacked = np.stack(read).astype(session.input_dtype, copy=False)
            yield stacked

    with tqdm(total=len(lines), desc=folder.name, unit="image", disable=not progress) as bar:
        computed = session.stream(images())
        while True:
            try:
                with clock.of("infer"):
                    features = next(computed, None)
            except SessionError as error:
                raise FeatureError(
                    error.what, where=f"{waiting[0][0].path} to {waiting[-1][-1].path}", cure=error.cure
                ) from error
            if features is None:
                break
            with clock.of("post"):
                for line, feature in zip(waiting.popleft(), features):
                    record.put(feature_name(line.stem, form), format_feature(feature, form))
            bar.update(len(features))
    record.end()
    perf = None
    if not session.facts.simulated:
        figures = clock.figures(len(lines), -(-len(lines) // batch_size), time.perf_counter() - began)
        perf = write_text(Path(output) / vision_perf_name(batch_size, device), str(figures))
    return Inference(folder, len(lines), perf)


def _read(path: str, dtype: str, records: Mapping[str, FolderRecord]) -> np.ndarray:
    """A preprocessed image; where `osnet preprocess` made its folder, one that it made."""
    image = read_bin(path, dtype)
    folder, name = os.path.split(path)
    record = records.get(folder)
    # Hashed as it lies in the file.
    if record and not record.holds(name, image.astype(image.dtype.newbyteorder("<"), copy=False).tobytes()):
        cure = f"Preprocess the images again. Where another tool wrote it, remove {record.list}."
        raise DatasetError(f"is not the image that {record.list.name} lists", where=path, cure=cure)
    return image


def _refuse_others(folder: Path, names: set[str]) -> None:
    """A second run into a folder would mix with the first."""
    held = {path.name for path in folder.iterdir() if not path.name.startswith(".")} if folder.is_dir() else set()
    if others := held - names:
        what = f"holds {len(others):,} features of other images or in another format, the first is {min(others)}"
        raise FeatureError(what, where=folder, cure="Give each run a folder of its own, or remove what is there.")


def _fingerprint(session: Session, lines: Sequence[InfoLine], form: str) -> str:
    """Of what the features are made from; an image that was written again counts as another."""
    images = []
    for line in lines:
        about = os.stat(line.path) if os.path.exists(line.path) else None  # `read_bin` refuses it by name
        images.append((line.stem, about and (about.st_size, about.st_mtime_ns)))
    return fingerprint({"session": session.describe(), "images": images, "format": form})


class _Clock:
    """Seconds spent in each step; of a step inside another, only in the inner one."""

    def __init__(self):
        self.seconds = dict.fromkeys(("read", "preprocess", "infer", "post"), 0.0)

    @contextmanager
    def of(self, step: str) -> Iterator[None]:
        started, before = time.perf_counter(), sum(self.seconds.values())
        yield
        inner = sum(self.seconds.values()) - before
        self.seconds[step] += time.perf_counter() - started - inner

    def figures(self, images: int, batches: int, total: float) -> VisionPerf:
        """The model is called directly, so that the rate of the step and of its interface are one."""
        rates = {step: images / seconds for step, seconds in self.seconds.items()}
        rates["post"] = batches / self.seconds["post"]
        read, prepare, run, post = ((rate, 1000 / rate) for rate in rates.values())
        return VisionPerf(images / total, 1000 * total, *read, *prepare, run[0], *run, *post)
