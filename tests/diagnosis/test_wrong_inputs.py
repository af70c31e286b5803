"""Each wrong step does what other tools do by mistake, and every combination of them can be prepared."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from helpers.preparations import ONE_STEP, SEVERAL_STEPS
from osnet_lib.datasets.preprocess import preprocess
from osnet_lib.diagnosis.wrong_inputs import COMBINATIONS, RIGHT, STEPS, Setup

OPTIONS = {option.name: (step, option) for step, options in STEPS.items() for option in options if option.name}


@pytest.fixture(scope="module")
def picture():
    """Smooth and noisy at once, larger than what the network reads."""
    random = np.random.default_rng(3)
    coarse = Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize(
        (260, 260), Image.Resampling.BICUBIC
    )
    pixels = np.asarray(coarse).astype(int) + random.integers(-40, 40, (260, 260, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def named(name: str) -> Setup:
    return Setup(**dict(OPTIONS[part] for part in name.split(", ")))


def agree(made: np.ndarray, expected: np.ndarray) -> bool:
    """But for a rounding of the pixels here and there."""
    return made.shape == expected.shape and np.abs(made - expected).mean() < 0.02 * expected.std()


def test_the_right_set_up_is_that_of_preprocess(picture):
    assert np.array_equal(RIGHT.inputs(picture)[0], preprocess(picture))
    assert RIGHT.name == "right" and not RIGHT.deviations and not RIGHT.cure


def test_every_option_has_its_test():
    assert set(OPTIONS) == {*ONE_STEP, "flip-test"}
    assert len({option.what for _, option in OPTIONS.values()}) == len(OPTIONS)
    assert all(option.cure for _, option in OPTIONS.values())
    assert COMBINATIONS > 10_000 and len(list(RIGHT.neighbours())) == len(OPTIONS)


@pytest.mark.parametrize("name", [*ONE_STEP, *SEVERAL_STEPS])
def test_images_are_prepared_as_other_tools_do_it(picture, name):
    setup, expected = named(name), {**ONE_STEP, **SEVERAL_STEPS}[name](picture)
    (made,) = setup.inputs(picture)
    assert made.dtype == np.float32 and agree(made, expected)
    assert not agree(made, preprocess(picture)) and setup.name == name


def test_a_flip_test_has_two_views(picture):
    made = named("BGR, flip-test").inputs(picture)
    assert made.shape == (2, 3, 256, 128) and np.array_equal(made[1], made[0][..., ::-1])
    assert named("flip-test").harmless and not named("BGR, flip-test").harmless


def test_what_several_steps_say():
    setup = named("BGR, raw pixels, lying")
    assert setup.what == (
        "images in BGR order; that were not normalised (0 to 255); "
        "256 wide and 128 high, then transposed: people lie on their side"
    )
    assert setup.cure.count("Give the network RGB") == 1 and "Divide by 255." in setup.cure and "[N, 3" in setup.cure
    assert list(setup.deviations) == ["channels", "scaling", "layout"]
    assert len({one.name for one in setup.neighbours()}) == len(OPTIONS)
