"""``summary.json`` of all ages is read; a number that no measurement gives is refused, with file and key."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, strategies as st

from osnet_lib.errors import ResultError
from osnet_lib.guide.summary import SUMMARY_NAME, parse_summary

TIMES = [3.9, 4.1, 4.0, 4.0]
NPU = {"min": 3.9, "max": 4.1, "mean": 4.0, "median": 4.0, "percentile(99%)": 4.097, "count": 4}
SUMMARY = {
    "args": ["ais_infer.py", "--model", "./osnet_x1_0_bs16.om", "--device", "3"],
    "NPU_compute_time": NPU,
    "H2D_latency": {},
    "D2H_latency": {},
    "npu_compute_time_list": TIMES,
    "throughput": 4000.0,
}


def changed(npu: dict | None = None, drop: tuple[str, ...] = (), **changes) -> str:
    """A summary with other values; `drop` names keys of NPU_compute_time, and others, that are left out."""
    times = {key: value for key, value in {**NPU, **(npu or {})}.items() if key not in drop}
    summary = {**SUMMARY, "NPU_compute_time": times, **changes}
    return json.dumps({key: value for key, value in summary.items() if key not in drop})


@pytest.mark.parametrize(
    "name",
    [
        "sumary.json",
        "summary.json",
        "2022_11_14-16_13_58_summary.json",
        "result_bs1_sumary.json",
        "device0_0_summary.json",
    ],
)
def test_names_over_the_years(name):
    assert SUMMARY_NAME.fullmatch(name) and not SUMMARY_NAME.fullmatch(f"{name}.txt")


P99 = float(np.percentile(TIMES, 99))
AGES = {
    "ais_bench 2023": (changed(), 4.097, 4, 4.0),
    "ais_infer 2022, without count": (changed(drop=("count",)), 4.097, 4, 4.0),
    "aclruntime 2026": (changed({"P99": 4.05}, drop=("percentile(99%)",)), 4.05, 4, 4.0),
    "no percentile": (changed(drop=("percentile(99%)",)), P99, 4, 4.0),
    "no percentile and no list": (changed(drop=("percentile(99%)", "npu_compute_time_list")), None, 4, 4.0),
    "mean and list": (changed(drop=("min", "max", "median", "percentile(99%)", "count")), P99, 4, 4.0),
    "mean alone": (
        changed(drop=("min", "max", "median", "percentile(99%)", "count", "npu_compute_time_list")),
        None,
        None,
        None,
    ),
    "begin and end": (
        changed(drop=("percentile(99%)",), npu_compute_time_list=[[5, 5 + t] for t in TIMES]),
        P99,
        4,
        4.0,
    ),
    "a list in another unit": (
        changed(drop=("percentile(99%)", "count"), npu_compute_time_list=[1000 * t for t in TIMES]),
        None,
        4,
        4.0,
    ),
}


@pytest.mark.parametrize("text, p99, rounds, median", AGES.values(), ids=AGES)
def test_summaries_of_all_ages(text, p99, rounds, median):
    found = parse_summary(text)
    assert (found.throughput, found.times["mean"], found.batch_size) == (4000, 4, 16)
    assert found.times["p99"] == (p99 if p99 is None else pytest.approx(p99))
    assert found.rounds == rounds and found.times["median"] == (median and pytest.approx(median))
    assert (found.model, found.device) == ("osnet_x1_0_bs16", 3)


HUGE = 10**400
WRONG = {
    "a huge median": ({"median": HUGE}, {}, "NPU_compute_time.median is inf"),
    "a huge mean": ({"mean": HUGE}, {}, "NPU_compute_time.mean is inf"),
    "a huge count": ({"count": 1e400}, {}, "NPU_compute_time.count inf is not a whole number"),
    "a NaN percentile": ({"percentile(99%)": float("nan")}, {}, r"NPU_compute_time.percentile\(99%\) is nan"),
    "a NaN of 2026": ({"percentile(99%)": None, "P99": float("nan")}, {}, r"NPU_compute_time.P99 is nan"),
    "a NaN mean": ({"mean": float("nan")}, {}, "NPU_compute_time.mean is nan"),
    "a negative median": ({"median": -11.1}, {}, "NPU_compute_time.median is -11.1"),
    "a negative minimum": ({"min": -0.1}, {}, "NPU_compute_time.min is -0.1"),
    "a mean of zero": ({"mean": 0}, {}, "NPU_compute_time.mean is 0"),
    "a negative count": ({"count": -5}, {}, "NPU_compute_time.count -5 is not a whole number"),
    "no count at all": ({"count": 0}, {}, "NPU_compute_time.count 0 is not a whole number"),
    "a count of parts": ({"count": 2.5}, {}, "NPU_compute_time.count 2.5 is not"),
    "a count in words": ({"count": "ten"}, {}, "NPU_compute_time.count 'ten' is not"),
    "a true count": ({"count": True}, {}, "NPU_compute_time.count True is not"),
    "a mean in words": ({"mean": "4.0"}, {}, "NPU_compute_time.mean is '4.0' and no number"),
    "a true minimum": ({"min": True}, {}, "NPU_compute_time.min is 'True' and no number"),
    "an endless throughput": ({}, {"throughput": float("inf")}, "throughput is inf"),
    "a huge throughput": ({}, {"throughput": HUGE}, "throughput is inf"),
    "a negative throughput": ({}, {"throughput": -3.0}, "throughput is -3"),
    "no throughput": ({}, {"throughput": None}, "throughput is 'None' and no number"),
    "a minimum above the mean": ({"min": 4.2}, {}, "the min is 4.2 ms and the mean 4 ms"),
    "a mean above the maximum": ({"max": 3.95}, {}, "the mean is 4 ms and the max 3.95 ms"),
    "a percentile above the maximum": ({"percentile(99%)": 9}, {}, "the p99 is 9 ms and the max 4.1 ms"),
    "a median above the percentile": ({"median": 4.09, "P99": 4, "percentile(99%)": None}, {}, "the median is 4.09 ms"),
    "a call before its begin": ({}, {"npu_compute_time_list": [[5.0, 1.2]]}, r"npu_compute_time_list\[0\], end less"),
    "a negative call": ({}, {"npu_compute_time_list": [4.0, -4.0]}, r"npu_compute_time_list\[1\] is -4"),
    "a huge call": ({}, {"npu_compute_time_list": [HUGE]}, r"npu_compute_time_list\[0\] is inf"),
    "a call in words": ({}, {"npu_compute_time_list": ["a"]}, r"npu_compute_time_list\[0\] is 'a'"),
    "a call of three": ({}, {"npu_compute_time_list": [[1, 2, 3]]}, r"npu_compute_time_list\[0\] holds 3 numbers"),
    "no list": ({}, {"npu_compute_time_list": 7}, "not a summary of ais_bench"),
    "no times": ({}, {"NPU_compute_time": [1]}, "not a summary of ais_bench"),
}


@pytest.mark.parametrize("npu, changes, what", WRONG.values(), ids=WRONG)
def test_numbers_that_no_measurement_gives(npu, changes, what):
    with pytest.raises(
        ResultError, match=rf"^run/summary\.json: {what}.*(Measure again|Copy the file again)"
    ) as caught:
        parse_summary(changed(npu, **changes), "run/summary.json")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", "[" * 100_000, '{"throughput": ' + "1" * 5000 + "}"])
def test_what_is_no_summary(text):
    with pytest.raises(ResultError, match=r"^x: not a summary of ais_bench \("):
        parse_summary(text, "x")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*NPU, "P99"]), inner, max_size=4),
    max_leaves=9,
)


@given(st.sampled_from([*SUMMARY, *NPU, "P99"]), anything)
def test_any_value_is_read_or_refused(key, value):
    text = changed({key: value}) if key in NPU or key == "P99" else changed(**{key: value})
    try:
        found = parse_summary(text, "x")
    except ResultError:
        return
    numbers = [found.throughput, *(time for time in found.times.values() if time is not None)]
    assert all(0 <= number < float("inf") for number in numbers)
