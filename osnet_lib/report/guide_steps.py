"""The steps of the guide, section by section: the command that does each here, its chapter, and what differs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .words import Said, Sentence


@dataclass(frozen=True)
class GuideStep:
    """A section of the guide.

    Attributes
    ----------
    section : str
    command : str
        What does it here, on a line.
    chapter : str
        Name of the notebook that does it in the book.
    answers : tuple of str
        Names of the sentences at the head of that chapter that are its result; all of them where empty.
    """

    section: str
    command: str
    chapter: str
    answers: tuple[str, ...] = ()

    @property
    def title(self) -> Sentence:
        return Sentence(f"guide {self.section}")

    @property
    def differs(self) -> Sentence:
        return Sentence(f"differs {self.section}")

    def result(self, opening: Iterable[Sentence]) -> Said:
        """What a run found, of the sentences at the head of the chapter."""
        found = [said for said in opening if not self.answers or said.name in self.answers]
        return Said(*found) if found else Said(Sentence("figure missing"))


GUIDE_STEPS = (
    GuideStep(
        "3.1",
        "osnet export CHECKPOINT OUT.onnx; osnet simplify IN.onnx OUT.onnx --batch-size 16",
        "01_export",
        ("same network", "another network"),
    ),
    GuideStep("3.2", "osnet convert IN.onnx OUT --soc-version Ascend310", "02_convert", ("no compiler", "converted")),
    GuideStep("4.1", "osnet manifest FOLDER MANIFEST.csv --pattern TEMPLATE", "03_preprocess", ("data",)),
    GuideStep("4.2", "osnet preprocess SRC DST", "03_preprocess", ("distractors",)),
    GuideStep("4.3", "osnet info bin DIR OUT 128 256", "03_preprocess", ("data",)),
    GuideStep("5.1", "osnet doctor --backend ascend", "04_inference", ("features",)),
    GuideStep(
        "5.2",
        "osnet infer MODEL INFO OUT --batch-size 16 --device-id 0 --format txt",
        "04_inference",
        ("features took",),
    ),
    GuideStep("6.1", "osnet evaluate QUERY GALLERY DIR NAME.json", "05_accuracy", ("scores", "scores alone")),
    GuideStep(
        "6.2",
        "osnet compare published:osnet_x1_0 RESULT.json",
        "05_accuracy",
        ("published beside", "published elsewhere", "not published"),
    ),
    GuideStep(
        "6.3", "osnet compare published:osnet_x1_0 RESULT.json", "06_stages", ("no stage breaks", "stage breaks")
    ),
    GuideStep("7.1", "osnet benchmark MODEL --batch-size 16 --rounds 50 --devices 0,1,2,3", "08_performance"),
)
