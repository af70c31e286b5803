"""Lines that the tools print, pasted into a text with whatever was around them."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from osnet_lib.errors import ResultError
from osnet_lib.guide.console import parse_console

MSAME = "Inference average time : 2.41 ms\nInference average time without first time: 2.40 ms\n"
SPLIT = "[INFO] NPU_compute_time (ms): min = 3.3, max = 3.9, mean = 3.5, median = 3.4, percentile(99%) = 3.89\n"
RATE = "[INFO] throughput 1000*batchsize.mean(8)/NPU_compute_time.mean(3.5): 2285.7\n"
COPIES = (
    "[INFO] -----------------Performance Summary------------------\n"
    "[INFO] H2D_latency (ms): min = 0.1, max = 0.2, mean = 0.1, median = 0.1, percentile(99%) = 0.2\n"
)
PURE = "[INFO] ave_throughputRate: 240.622samples/s, ave_latency: 4.24716ms"

# Text; tool, rate, milliseconds of an image, of a call, its 99th percentile, batch, model, device.
PASTED = {
    "benchmark": (PURE, "benchmark PureInfer", 240.622, 4.24716, None, None, None, None, None),
    "benchmark, its file": (
        "ave_throughputRate = 244.742samples/s, ave_latency = 4.15733ms",
        *("benchmark PureInfer", 244.742, 4.15733, None, None, None, None, None),
    ),
    "benchmark with its command": (
        f"./benchmark.x86_64 -round=50 -om_path=./osnet_x1_0_bs1.om -device_id=2 -batch_size=1\n...\n{PURE}\n-----",
        *("benchmark PureInfer", 240.622, 4.24716, None, None, None, "osnet_x1_0_bs1", 2),
    ),
    "ais_bench": (COPIES + SPLIT + RATE, "ais_bench", 2285.7, None, 3.5, 3.89, 8, None, None),
    "ais_infer of 2022": (
        SPLIT + RATE.replace(".mean(8)", "(8)"),
        *("ais_bench", 2285.7, None, 3.5, 3.89, 8, None, None),
    ),
    "the rate alone": (RATE, "ais_bench", 2285.7, None, 3.5, None, 8, None, None),
    "a table of 2026": (RATE.replace("throughput", "Throughput"), "ais_bench", 2285.7, None, 3.5, None, 8, None, None),
    "P99": (SPLIT.replace("percentile(99%)", "P99") + RATE, "ais_bench", 2285.7, None, 3.5, 3.89, 8, None, None),
    "in colour, from Windows": (
        (SPLIT + RATE).replace("[INFO]", "\x1b[32m[INFO]\x1b[0m").replace("\n", "\r\n"),
        *("ais_bench", 2285.7, None, 3.5, 3.89, 8, None, None),
    ),
    "with the command": (
        f"python3 -m ais_bench --model=/x/osnet_x1_0_bs8.om --device 1\n[INFO] load model success\n{SPLIT}{RATE}",
        *("ais_bench", 2285.7, None, 3.5, 3.89, 8, "osnet_x1_0_bs8", 1),
    ),
    "msame": (MSAME, "msame", None, None, 2.40, None, None, None, None),
    "msame without a space": (MSAME.replace(" :", ":"), "msame", None, None, 2.40, None, None, None, None),
    "msame, one loop": (MSAME.splitlines()[0], "msame", None, None, 2.41, None, None, None, None),
    "msame, every call": (
        "[INFO] model execute success\nInference time: 2.38ms\n[INFO] model execute success\nInference time: 2.42ms\n"
        + MSAME,
        *("msame", None, None, 2.40, pytest.approx(2.4196), None, None, None),
    ),
    "msame with its command": (
        f'./msame --model "osnet_x1_0_bs4.om" --input q --output out --outfmt TXT --device 3\n{MSAME}',
        *("msame", None, None, 2.40, None, None, "osnet_x1_0_bs4", 3),
    ),
}


@pytest.mark.parametrize("pasted", PASTED.values(), ids=PASTED)
def test_pasted_lines_are_read(pasted):
    text, tool, rate, latency, mean, p99, batch, model, device = pasted
    found = parse_console(f"root@host:~# cd out\n{text}\nroot@host:~#")
    assert (found.tool, found.throughput, found.latency) == (tool, rate, latency)
    assert (found.times.get("mean"), found.times.get("p99")) == (mean, p99)
    assert (found.batch_size, found.model, found.device) == (batch, model, device)


@pytest.mark.parametrize(
    "text, what",
    [
        ("", "holds no measurements of Huawei's tools. Give a text for each run"),
        ("Rank-1 0.94", "holds no measurements"),
        (SPLIT, "holds no measurements"),
        (RATE + RATE, "holds 2 measurements"),
        (MSAME + MSAME, "holds 2 measurements"),
        (PURE + "\n" + RATE, "holds 2 measurements"),
        (RATE.replace("2285.7", "nan"), "throughput is nan, which no measurement gives"),
        (RATE.replace("2285.7", "-2285.7"), "throughput is -2285.7"),
        (RATE.replace("2285.7", "1e999"), "throughput is inf"),
        (RATE.replace("(8)", "(0)"), "batchsize is 0"),
        (SPLIT.replace("max = 3.9", "max = 3.0") + RATE, "the mean is 3.5 ms and the max 3 ms"),
        (MSAME.replace("2.40", "-2.40"), "Inference average time is -2.4"),
        (PURE.replace("4.24716", "0"), "ave_latency is 0"),
    ],
)
def test_anything_else_is_refused(text, what):
    with pytest.raises(ResultError, match=rf"^log\.txt: {what}"):
        parse_console(text, "log.txt")


@given(st.text(alphabet="Inferc avgtimshou:=*/()0123456789.-e \n", max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        assert parse_console(text).tool
    except ResultError as error:
        assert "\n" not in str(error)
