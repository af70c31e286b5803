"""Client patterns on the stand-in: what each gives, what hardware lets pass in it, and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from helpers.networks import images
from helpers.npu import ACL, make_om, tiny_features
from stand_ins import clients

Misuse = ACL.stand_in.Misuse
GEARS = {"batch_sizes": [1, 2]}


@dataclass(frozen=True)
class Pattern:
    """A program; the words of what strictness refuses first, and all that passes without; what is left."""

    program: str
    refused: str = ""
    error: type[Exception] = Misuse
    tolerated: tuple[str, ...] = ()
    left: dict[str, int] = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    header: dict = field(default_factory=dict)


IMAGES, FEATURES = 2 * 393216, 2 * 2048  # bytes
LEFT = {
    "data buffer": 2,
    "dataset": 2,
    "desc": 1,
    "device bytes": IMAGES + FEATURES,
    "device memory": 2,
    "model": 1,
    "stream": 1,
}
PATTERNS = [
    Pattern("synchronous"),
    Pattern("asynchronous_with_callbacks"),
    Pattern("gears", header=GEARS),
    Pattern("gears_by_dims", header={**GEARS, "gears_by": "dims"}),
    Pattern("on_the_device", settings={"run_mode": 0}),
    Pattern("two_devices_in_threads", settings={"devices": 2}),
    Pattern("model_in_own_memory"),
    Pattern("event_chain"),
    Pattern("one_event_again_and_again", "recorded again", tolerated=("an event is recorded again",)),
    Pattern("default_stream", "takes no device", tolerated=("synchronize_device takes no device",)),
    Pattern(
        "foreign_pointers",
        "nothing that acl knows",
        tolerated=("nothing that acl knows", "memcpy_async with host memory", "nothing that acl knows"),
    ),
    Pattern("second_model_after_finalize", "error code 500000", RuntimeError),
    Pattern(
        "set_twice_reset_once",
        "others of this process",
        tolerated=("device 0 is reset while others", "finalize while there is {'device set': 1}"),
        left={"device set": 1},
    ),
    Pattern(
        "sloppy_teardown",
        "a stream of it is in use",
        tolerated=(
            "a context is destroyed while a stream",
            "a context is destroyed while a model",
            "a context is destroyed while memory",
            "device 0 is reset while contexts or memory",
            "finalize while",
        ),
        left=LEFT,
    ),
]
each = pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.program)


@pytest.fixture(autouse=True)
def fresh(npu):
    """These programs may leave anything behind."""
    yield
    npu.stand_in.reset()


def run(pattern: Pattern, tmp_path, strict: int) -> np.ndarray:
    ACL.stand_in.reset(strict=strict, **pattern.settings)
    return getattr(clients, pattern.program)(ACL, str(make_om(tmp_path, header=pattern.header)), images(2))


@each
def test_what_hardware_tolerates(pattern, tmp_path):
    np.testing.assert_allclose(run(pattern, tmp_path, strict=0), tiny_features(images(2)), atol=1e-4)
    assert ACL.stand_in.ledger() == pattern.left
    found = ACL.stand_in.tolerated()
    assert len(found) == len(pattern.tolerated), found
    assert all(text.startswith(words) for text, words in zip(found, pattern.tolerated)), found


@each
def test_what_good_code_avoids(pattern, tmp_path):
    if pattern.refused:
        with pytest.raises(pattern.error, match=pattern.refused):
            run(pattern, tmp_path, strict=1)
    else:
        np.testing.assert_allclose(run(pattern, tmp_path, strict=1), tiny_features(images(2)), atol=1e-4)
        ACL.stand_in.assert_empty()
    assert not ACL.stand_in.tolerated()


def test_every_program_has_its_outcome():
    programs = {
        name
        for name, value in vars(clients).items()
        if getattr(value, "__annotations__", {}).get("om") == "str" and value.__module__ == clients.__name__
    }
    assert programs == {pattern.program for pattern in PATTERNS} and len(programs) >= 8
