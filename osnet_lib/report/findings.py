"""What a diagnosis of features found, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .words import Said, Sentence, joined


class Observation(Protocol):
    """What is said of an `osnet_lib.diagnosis.findings.Finding`, whose texts the catalogues know as words."""

    @property
    def name(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def evidence(self) -> str: ...
    @property
    def cure(self) -> str: ...


def findings_said(findings: Sequence[Observation]) -> Said:
    """A verdict, then one item each, in the order given: what is wrong comes first."""
    wrong = [f"`{finding.name}`" for finding in findings if finding.severity == "wrong"]
    verdict = Sentence("something wrong", names=joined(wrong)) if wrong else Sentence("nothing wrong")
    return Said(verdict, *map(_item, findings), between="between lines")


def _item(found: Observation) -> Sentence:
    cure = Sentence("cure", cure=found.cure) if found.cure else Sentence("nothing")
    return Sentence(
        f"finding {found.severity}", name=f"`{found.name}`", what=found.what, evidence=found.evidence, cure=cure
    )
