"""Speed files of the old tool: samples are read, what is written is read back and by the model zoo's script."""

from __future__ import annotations

import re
from dataclasses import astuple

import pytest
from hypothesis import given, strategies as st

from helpers.guide_files import PURE, VISION
from osnet_lib.errors import ResultError
from osnet_lib.guide.perf import (
    PurePerf,
    VisionPerf,
    parse_pure_perf,
    parse_vision_perf,
    pure_perf_name,
    vision_perf_name,
)

speeds = st.floats(1e-6, 1e9)


def six(value: float) -> float:
    return float(f"{value:.6g}")


def test_samples_are_read_and_written_to_the_letter():
    pure, vision = parse_pure_perf(PURE), parse_vision_perf(VISION)
    assert (pure.rate, pure.latency) == (244.742, 4.15733) and str(pure) == PURE
    assert vision.interface_rate == 382.328 and (vision.e2e_rate, vision.e2e_latency) == (243.034, 205733)
    assert (vision.post_rate, vision.post_latency) == (15.2772, 65.457) and str(vision) == VISION


def test_names_are_those_of_the_guide():
    assert pure_perf_name("osnet_x1_0_bs1_sim", 0) == "PureInfer_perf_of_osnet_x1_0_bs1_sim_in_device_0.txt"
    assert vision_perf_name(16, 2) == "perf_vision_batchsize_16_device_2.txt"


@given(speeds, speeds)
def test_any_pure_speed_is_read_back(rate, latency):
    assert parse_pure_perf(str(PurePerf(rate, latency))) == PurePerf(six(rate), six(latency))


@given(st.tuples(*[speeds] * 11))
def test_any_vision_speed_is_read_back(values):
    assert astuple(parse_vision_perf(str(VisionPerf(*values)))) == tuple(map(six, values))


@given(st.tuples(*[st.floats(0.001, 1e5)] * 11))
def test_the_model_zoo_takes_the_eighth_number(values):
    """Its script joins the lines and looks for numbers with a point or without."""
    numbers = re.findall(r"[\d.]+(?:e[-+]\d+)?", str(VisionPerf(*values)).replace("e2e", ""))
    assert float(numbers[7]) == six(VisionPerf(*values).interface_rate)


@pytest.mark.parametrize(
    "parse, text",
    [
        (parse_pure_perf, ""),
        (parse_pure_perf, "ave_throughputRate = samples/s, ave_latency = ms"),
        (parse_pure_perf, PURE.replace("244.742", "nan")),
        (parse_pure_perf, PURE.replace("244.742", "-1")),
        (parse_pure_perf, PURE.replace("244.742", "1e999")),
        (parse_pure_perf, PURE + PURE),
        (parse_pure_perf, VISION),
        (parse_pure_perf, PURE.replace("samples/s", "")),
        (parse_vision_perf, ""),
        (parse_vision_perf, PURE),
        (parse_vision_perf, VISION.replace("[post]", "")),
        (parse_vision_perf, VISION[:-12]),
        (parse_vision_perf, VISION.replace("382.328", "inf")),
    ],
)
def test_anything_else_is_refused(parse, text):
    with pytest.raises(ResultError, match=r"^x\.txt: not in the form of the benchmark tool\. Copy the file again"):
        parse(text, "x.txt")


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text):
    for parse in (parse_pure_perf, parse_vision_perf):
        with pytest.raises(ResultError):
            parse(text)
