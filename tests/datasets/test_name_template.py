"""Templates read what they were made for, in one way or not at all."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, strategies as st

from osnet_lib.datasets.name_template import PUBLIC_TEMPLATES, NameTemplate, is_image_name, template_of
from osnet_lib.errors import DatasetError

# Names as the data sets are published, with what their own readers make of them.
PUBLISHED_NAMES = {
    "market1501": [
        ("0002_c1s1_000451_03.jpg", 2, 1),
        ("-1_c3s2_121967_09.jpg", -1, 3),
        ("1488_c2s3_065527_00.jpg.jpg", 1488, 2),
    ],
    "dukemtmc": [("0001_c2_f0046182.jpg", 1, 2), ("4259_c8_f0071001.jpg", 4259, 8)],
    "msmt17": [
        ("0000/0000_000_01_0303morning_0015_0.jpg", 0, 1),
        ("test/3059/3059_041_15_0113noon_1024_1.jpg", 3059, 15),
    ],
    "cuhk03": [("labeled/query/0001_c1_1.png", 1, 1), ("1467_c2_10.png", 1467, 2)],
    "veri": [("image_query/0002_c002_00030600_0.jpg", 2, 2), ("0776_c020_00084715_1.jpg", 776, 20)],
    "ag-reid": [("P0001T04081A0C0F0140.jpg", 1040810, 0), ("P0036T03121A1C3F0560.jpg", 36031211, 3)],
    "cargo": [("query/Cam1/Cam1_day_2519_241.jpg", 2519, 1), ("Cam13_night_12_7.jpg", 12, 13)],
    "ltcc": [("001_1_c3_015833.png", 1, 3), ("151_2_c12_000001.png", 151, 12)],
    "open-reid": [("00000001_01_0000.jpg", 1, 1), ("00001466_00_0003.jpg", 1466, 0)],
}


def read(template: str, path: str) -> set[tuple[int, int]]:
    return {(int("".join(pids)), int(camid)) for pids, camid in NameTemplate.parse(template).readings(path)}


def test_every_public_template_is_tried():
    assert PUBLISHED_NAMES.keys() == PUBLIC_TEMPLATES.keys()


@pytest.mark.parametrize("known", PUBLISHED_NAMES)
def test_names_of_public_data_sets(known):
    for name, pid, camid in PUBLISHED_NAMES[known]:
        assert read(known, name) == read(known.upper(), name) == {(pid, camid)}
        if known not in ("market1501", "open-reid"):  # the first is no other layout, the second fits much
            assert template_of(name.rpartition("/")[2]) == known


@pytest.mark.parametrize(
    "template, name, expected",
    [
        ("{pid}_c{camid}", "12_c3.jpg", {(12, 3)}),
        ("{pid}_c{camid}", "12_c3.jpg.png", {(12, 3)}),
        ("{pid}_c{camid}", "12_c3", {(12, 3)}),
        ("{pid}_c{camid}", "x12_c3.jpg", set()),
        ("{pid}_c{camid}", "12_c3_1.jpg", set()),
        ("{pid}_c{camid}", "12_C3.jpg", set()),
        ("{pid}_c{camid}.png", "12_c3.PNG", {(12, 3)}),
        ("{pid}_c{camid}.png", "12_c3.jpg", set()),
        ("{any}_{pid}_{camid}", "a_1_2.jpg", {(1, 2)}),
        ("{any}_{pid}_{camid}", "a_b_1_2.jpg", set()),  # {} does not hold what the template goes on with
        ("{}_{}_{pid}_{camid}", "a_b_1_2.jpg", {(1, 2)}),
        ("{pid}_{camid}_{}", "1_2_3_4_5.jpg", {(1, 2)}),  # but the last holds the rest
        ("{pid}_{camid}_{}", "1_2_.jpg", set()),  # at least one character
        ("{}{pid}c{camid}", "a12c3.jpg", {(12, 3)}),  # a number beside {} takes all digits
        ("{pid}{}-{camid}", "12ab-3.jpg", {(12, 3)}),
        ("{pid}{}_{camid}", "1234_3.jpg", set()),  # which leaves nothing for {}
        ("{}{pid}{}_{camid}", "a1b2c_3.jpg", {(1, 3), (2, 3)}),  # cannot be told
        ("p{pid}/{camid}-{}", "q/p7/2-x.jpg", {(7, 2)}),
        ("p{pid}/{camid}-{}", "p7-2-x.jpg", set()),
        ("{pid}/{}/c{camid}", "in/5/a.b/c4.jpg", {(5, 4)}),
        ("cam{camid}/{pid}/{}", "query/cam3/0012/0001.jpg", {(12, 3)}),
        ("{pid}_{camid}", "-1_2.jpg", {(-1, 2)}),
        ("{pid}_{camid}", "-2_2.jpg", set()),
        ("{pid}-{pid}_{camid}", "1-02_3.jpg", {(102, 3)}),
        ("行{pid}摄{camid}", "行8摄1.jpg", {(8, 1)}),
        ("a+({pid})[{camid}]", "a+(1)[2].jpg", {(1, 2)}),  # no regular expression
    ],
)
def test_a_template_reads(template, name, expected):
    assert read(template, name) == expected


@pytest.mark.parametrize(
    "template, what",
    [
        ("duke", "neither a template nor the name of one.*named are market1501, dukemtmc"),
        ("", "neither a template nor the name of one"),
        ("{pid}_c{cam}", r"holds \{cam\}; there are \{pid\}, \{camid\} and \{\}"),
        ("{pid}_c{camid}_{", "holds a single brace"),
        ("{pid}}_c{camid}", "holds a single brace"),
        ("{pid}_{}", r"needs \{pid\} and one \{camid\}"),
        ("{camid}_{}", r"needs \{pid\} and one \{camid\}"),
        ("{pid}_{camid}_{camid}", r"needs \{pid\} and one \{camid\}"),
        ("{pid}{camid}", "two numbers side by side"),
    ],
)
def test_what_is_no_template_is_refused(template, what):
    with pytest.raises(DatasetError, match=what) as caught:
        NameTemplate.parse(template)
    assert "{pid}_c{camid}" in caught.value.cure


@given(
    pid=st.integers(-1, 10**12),
    camid=st.integers(0, 10**6),
    between=st.text(st.characters(exclude_characters="_/", exclude_categories=("Nd", "Cs")), min_size=1, max_size=8),
    rest=st.text(st.characters(exclude_characters="/", exclude_categories=("Cs",)), min_size=1, max_size=8),
)
def test_what_is_written_is_read_back(pid, camid, between, rest):
    assert (pid, camid) in read("{pid}_{}_c{camid}_{}", f"{pid}_{between}_c{camid}_{rest}x.jpg")


@given(st.text(max_size=40), st.sampled_from(sorted(PUBLIC_TEMPLATES)))
def test_any_name_is_read_or_not(name, known):
    for pids, camid in NameTemplate.parse(known).readings(name):
        assert int("".join(pids)) >= -1 and int(camid) >= 0


def test_a_name_made_to_take_long_does_not():
    started = time.monotonic()
    NameTemplate.parse("{}{pid}{}{}{camid}{}-").readings("1a" * 60)
    assert time.monotonic() - started < 5


def test_image_names():
    assert all(map(is_image_name, ["a.jpg", "a.JPEG", "a.b.Png", "a.webp"]))
    assert not any(map(is_image_name, ["a.txt", "jpg", "a.jpg.part", ""]))
