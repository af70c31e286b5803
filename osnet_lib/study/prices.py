"""A candidate with what was found of it, and what its features cost beside those of the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..comparison.engines import Price, price
from ..conversion.parity import Difference, Tolerance, feature_difference
from ..core.files import sha256
from ..core.results import result_name
from ..datasets.market1501 import Market1501, Sample
from ..datasets.preprocess import iter_batches
from ..errors import FeatureError, SessionError, StudyError
from ..features.store import Features
from ..inference.benchmark import Benchmark
from ..inference.side_by_side import Ratio
from ..inference.startup import Startup
from .calibration import spread
from .candidates import PLAIN, Candidate
from .features import measure_features
from .models import checkpoint_of, given_onnx
from .stages import stage_features
from .study import Study

SAMPLE = 64  # images on which a float32 engine must agree with the reference
_STAGE = {  # by what the features of the stages chapter are called
    ("onnxruntime", "float32"): "simplified",
    ("onnxruntime", "float16"): "fp16",
    ("onnxruntime", "int8"): "int8",
    ("openvino", "float32"): "openvino",
    ("torch", "float32"): "torch",
}
_TORCH_BATCH = 16  # as the stages have it, for torch's rows do not depend on it


@dataclass(frozen=True)
class MeasuredEngine:
    """A candidate with what was found of it; `ratio` is to the reference, of neighbouring rounds.

    `images` is on how many its features were compared; `price` is None where it was not scored; `agrees` is whether
    its features stay within the tolerance of float32.
    """

    candidate: Candidate
    speed: Benchmark
    ratio: Ratio
    difference: dict[str, float] | None = None
    images: int = 0
    agrees: bool = False
    price: Price | None = None
    startup: Startup | None = None

    def __repr__(self) -> str:
        loss = "no price" if self.loss is None else f"loses {self.loss[0]:.3f} points of mAP"
        return f"{self.candidate}: {self.ratio.median:.2f} times the reference, {loss}"

    @property
    def loss(self) -> tuple[float, float, float] | None:
        """Points of mAP that it costs, least and most by the paired interval; none where it agrees in float32."""
        if self.price:
            return self.price.loss
        return (0.0, 0.0, 0.0) if self.agrees else None

    @property
    def faster(self) -> bool:
        """Whether it is shown to be faster than the reference."""
        return (self.ratio.median if self.ratio.low is None else self.ratio.low) > 1

    def meets(self, budget: float) -> bool:
        return self.loss is not None and self.loss[2] <= budget

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        one, verdict = self.candidate, self.speed.verdict
        assert verdict is not None  # a simulated device is refused
        return {
            "backend": one.backend,
            "precision": one.precision,
            "computes": self.speed.session.precision,
            "graph": one.graph,
            "threads": one.threads,
            "file": one.path.name,
            "file_sha256": sha256(one.path),
            "size_bytes": one.path.stat().st_size,
            "throughput": self.speed.throughput,
            "latency_ms": float(np.median(self.speed.times)),
            "ratio": self.ratio.values(),
            "verdict": verdict.word,
            "reasons": list(verdict.reasons),
            "features": self.difference and {**self.difference, "images": self.images},
            "agrees": self.agrees,
            "price": self.price and self.price.as_dict(),
            "loss": self.loss,
            "startup": self.startup and asdict(self.startup),
        }


class Prices:
    """Features of each candidate beside those of the reference."""

    def __init__(
        self,
        study: Study,
        dataset: Market1501,
        query: Sequence[Sample],
        gallery: Sequence[Sample],
        metric: str,
    ):
        self._study, self._dataset, self._metric = study, dataset, metric
        self._splits = {"query": query, "gallery": gallery}
        self._reference: tuple[Features, Features] | None = None

    @property
    def whole(self) -> bool:
        """Whether it scores the whole test split."""
        return len(self._splits["query"]) == len(self._dataset.query)

    def of(self, row: MeasuredEngine, fully: bool) -> MeasuredEngine:
        """The row with its difference and, `fully` or where it has fewer bits, its price."""
        try:
            if self._reference and row.candidate.precision == "float32" and not fully:
                return self._sampled(row)
            own = self._features(row.candidate)
            self._reference = self._reference or own  # the first row is the reference
            found = price(self._reference, own, self._metric)
        except (FeatureError, SessionError) as error:
            raise StudyError(error.what, where=str(row.candidate), cure=error.cure) from error
        return replace(
            row,
            difference=found.difference._asdict(),
            images=found.images,
            agrees=_agrees(row, found.difference),
            price=found,
        )

    def _sampled(self, row: MeasuredEngine) -> MeasuredEngine:
        assert self._reference is not None  # since the first row
        query, _ = self._reference
        samples = spread(self._splits["query"], min(SAMPLE, len(self._splits["query"])))
        with row.candidate.open() as session:
            batches = iter_batches(self._dataset, samples, self._study.batch_size)
            own = np.concatenate([session.run(images) for _, images in batches])
        rows = dict(zip(query.names.tolist(), query.features))
        difference = feature_difference(np.stack([rows[sample.name] for sample in samples]), own)
        return replace(row, difference=difference._asdict(), images=len(samples), agrees=_agrees(row, difference))

    def _features(self, one: Candidate) -> tuple[Features, Features]:
        stage = _STAGE.get((one.backend, one.precision)) if one.graph == PLAIN else None
        if stage == "simplified" and self.whole and not given_onnx(self._study):  # as the chapter on accuracy has it
            return measure_features(replace(self._study, backend=one.backend, precision=one.precision))
        torch = stage == "torch"
        source = checkpoint_of(self._study) if torch else one.path
        size = _TORCH_BATCH if torch else self._study.batch_size
        label = stage or result_name(one.backend, one.precision, *["fused"] * (one.graph != PLAIN))
        query, gallery = (
            stage_features(
                replace(self._study, batch_size=size),
                self._dataset,
                source,
                samples,
                f"{label}-bs{size}-{split}",
                (one.backend, 0, 1 if torch else None),
                None if stage else one.precision,
            )
            for split, samples in self._splits.items()
        )
        return query, gallery


def _agrees(row: MeasuredEngine, difference: Difference) -> bool:
    allowed = Tolerance()
    within = difference.max_abs <= allowed.max_abs and difference.min_cosine >= allowed.min_cosine
    return within and row.candidate.precision == "float32"
