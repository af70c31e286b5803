"""Every parser that a file of the user reaches."""

from __future__ import annotations

from fuzz import datasets, features, models, results
from fuzz.target import Target

TARGETS: dict[str, Target] = {
    target.name: target for module in (models, datasets, features, results) for target in module.TARGETS
}
