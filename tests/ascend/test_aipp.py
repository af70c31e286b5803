"""The AIPP file is what ATC reads, and its float16 arithmetic stays near the float path."""

from __future__ import annotations

import re
import time

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from osnet_lib.ascend.aipp import AippConfig, aipp_error, apply_aipp, imagenet_aipp, parse_aipp, read_aipp, write_aipp
from osnet_lib.datasets.preprocess import preprocess, to_uint8
from osnet_lib.errors import ConvertError

BY_HAND = """
# ImageNet, RGB
aipp_op {
    aipp_mode: static
    input_format : RGB888_U8      # the bytes of Pillow
    src_image_size_w : 128
    src_image_size_h : 256
    var_reci_chn_0: 0.0171247538316637
    var_reci_chn_1: 0.0175070028011204
    var_reci_chn_2: 0.0174291938997821
    mean_chn_0: 123
    mean_chn_1: 116
    mean_chn_2: 103
    min_chn_0: 0.675
    min_chn_1: 0.28
    min_chn_2: 0.53
}
"""


def test_the_text():
    """Every line that ATC reads, and no other."""
    assert (
        str(imagenet_aipp())
        == """aipp_op {
    aipp_mode: static
    related_input_rank: 0
    input_format: RGB888_U8
    src_image_size_w: 128
    src_image_size_h: 256
    crop: false
    padding: false
    csc_switch: false
    rbuv_swap_switch: false
    mean_chn_0: 123
    mean_chn_1: 116
    mean_chn_2: 103
    min_chn_0: 0.675
    min_chn_1: 0.28
    min_chn_2: 0.53
    var_reci_chn_0: 0.0171247538316637
    var_reci_chn_1: 0.0175070028011204
    var_reci_chn_2: 0.0174291938997821
}
"""
    )


def test_a_file_written_by_hand(tmp_path):
    path = tmp_path / "aipp.cfg"
    path.write_text(BY_HAND)
    assert read_aipp(path) == imagenet_aipp()
    assert read_aipp(write_aipp(tmp_path / "ours.cfg")) == imagenet_aipp()


def test_numbers_left_out_have_the_default_of_aipp():
    bare = re.sub(r".*_chn_.*\n", "", BY_HAND)
    assert parse_aipp(bare) == AippConfig((0, 0, 0), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def channels(most: float, **options):
    return st.tuples(*[st.floats(0, most, **options)] * 3)


@given(mean=st.tuples(*[st.integers(0, 255)] * 3), least=channels(255), scale=channels(65504))
def test_round_trip(mean, least, scale):
    config = AippConfig(mean, least, scale)
    assert parse_aipp(str(config)) == config and str(parse_aipp(str(config))) == str(config)


@given(
    order=st.permutations(str(imagenet_aipp()).splitlines()[1:-1]), end=st.sampled_from(["\n", ",\n", " ", "  # x\n"])
)
def test_the_order_of_lines_does_not_matter(order, end):
    assert parse_aipp("aipp_op {" + end.join(order) + "\n}") == imagenet_aipp()


@given(st.text(alphabet="aip_o{}:# \n0.1", max_size=60))
def test_other_text_is_refused_in_one_sentence(text):
    with pytest.raises(ConvertError, match="^AIPP: "):
        parse_aipp(text)


@pytest.mark.parametrize(
    "old, new, what",
    [
        ("aipp_mode: static", "aipp_mode: dynamic", "aipp_mode is dynamic, but this study feeds images for static"),
        ("    aipp_mode: static\n", "", "aipp_mode is missing"),
        ("crop: false", "crop: true", "crop is true"),
        ("src_image_size_h: 256", "src_image_size_h: 224", "src_image_size_h is 224, .* for 256"),
        ("RGB888_U8", "YUV420SP_U8", "input_format is YUV420SP_U8"),
        ("rbuv_swap_switch: false", "rbuv_swap_switch: true", "rbuv_swap_switch is true"),
        ("mean_chn_1: 116", "mean_chn_0: 116", "mean_chn_0 is there twice"),
        ("mean_chn_1: 116", "mean_chn_1: 300", r"mean_chn: .* not three numbers from 0 to 255"),
        ("mean_chn_1: 116", "mean_chn_1: 116.5", "not whole numbers"),
        ("min_chn_2: 0.53", "min_chn_2: -0.53", "min_chn: .* from 0 to 255"),
        ("min_chn_2: 0.53", "min_chn_2: nan", "min_chn: .* from 0 to 255"),
        ("min_chn_2: 0.53", "min_chn_2: half", "min_chn holds 0.675, 0.28, half"),
        ("min_chn_2: 0.53", "max_chn_2: 0.53", "unknown key max_chn_2"),
        ("min_chn_2: 0.53", "mean_chn_3: 7", "unknown key mean_chn_3"),
        ("min_chn_2: 0.53", "min_chn_2", "not one aipp_op block"),
    ],
)
def test_files_that_would_change_the_pixels_are_refused(old, new, what):
    text = str(imagenet_aipp())
    assert old in text
    with pytest.raises(ConvertError, match=f"^a.cfg: .*{what}"):
        parse_aipp(text.replace(old, new), "a.cfg")


@pytest.mark.parametrize(
    "text",
    [
        "aipp_op {a:" + "bbb:" * 40_000 + ":}",  # each value could be cut in many ways
        "aipp_op {" + "a:b " * 40_000 + ":}",
        "aipp_op {" + "a" * 100_000 + "}",
        "aipp_op {a:" + " " * 100_000 + ":}",
        "aipp_op" + " " * 100_000 + "x",
        "#" * 100_000,
    ],
    ids=["values", "entries", "a word", "spaces", "no block", "comments"],
)
def test_the_time_of_parsing_grows_with_the_text_and_no_faster(text):
    started = time.process_time()
    with pytest.raises(ConvertError, match="not one aipp_op block|is there twice"):
        parse_aipp(text)
    assert time.process_time() - started < 2


@pytest.mark.parametrize("content", [None, b"\xff\xfa"])
def test_a_file_that_cannot_be_read(content, tmp_path):
    if content is not None:
        (tmp_path / "a.cfg").write_bytes(content)
    with pytest.raises(ConvertError, match="a.cfg: the AIPP file cannot be read"):
        read_aipp(tmp_path / "a.cfg")


def test_the_error_is_that_of_float16_and_our_split_rounds_less():
    """Bounds computed by hand from the float16 neighbours of the parameters."""
    error = aipp_error()
    assert error.split_parameters == pytest.approx(0.00072, abs=1e-5)
    assert error.naive_parameters == pytest.approx(0.00113, abs=1e-5)
    assert error.split_float16 == pytest.approx(0.00163, abs=1e-5)
    assert error.naive_float16 == pytest.approx(0.00281, abs=1e-5)
    assert error.split_parameters < 0.7 * error.naive_parameters and error.split_float16 < 0.7 * error.naive_float16


@pytest.mark.parametrize("split, minima", [(True, (0.675, 0.28, 0.53)), (False, (123.6875, 116.25, 103.5))])
def test_what_float16_makes_of_the_minima(split, minima):
    rounded = np.array(imagenet_aipp(split=split).min_chn, np.float16)
    np.testing.assert_allclose(rounded.astype(float), minima, atol=2.5e-4 if split else 0)


def test_a_picture_through_aipp_is_the_preprocessed_picture():
    pixels = np.random.default_rng(0).integers(0, 256, (300, 100, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    expected, batch = preprocess(picture), to_uint8(picture)[None]
    found = apply_aipp(batch, imagenet_aipp())
    assert found.dtype == np.float16 and batch.nbytes * 4 == expected.nbytes
    difference = np.abs(found[0].transpose(2, 0, 1).astype(np.float64) - expected)
    assert 0 < difference.max() <= aipp_error().split_float16 and difference.mean() < 0.0005
