"""From a folder to the lines of a manifest: splits by folder, list or option; each name read in one way or refused."""

from __future__ import annotations

from functools import partial

import pytest

from helpers.refusals import refusal_of
from osnet_lib.datasets.survey import SPLIT_FOLDERS, survey_folder
from osnet_lib.errors import DatasetError


def make(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return root


refusal = partial(refusal_of, DatasetError, survey_folder)


def rows(*args, **kwargs):
    return survey_folder(*args, **kwargs).rows


PATTERN = "{pid}_c{camid}"


@pytest.mark.parametrize("query", [name for name, split in SPLIT_FOLDERS.items() if split == "query"])
@pytest.mark.parametrize("gallery", [name for name, split in SPLIT_FOLDERS.items() if split == "gallery"])
def test_folders_that_name_a_split_are_known_at_any_depth(tmp_path, query, gallery):
    make(tmp_path, f"a/b/{query.upper()}/0001_c1.jpg", f"{gallery}/x/0001_c2.png", "train/0002_c1.jpg", "0003_c1.jpg")
    found = survey_folder(tmp_path, PATTERN, tmp_path)
    assert sorted(found.rows) == [
        ("gallery", f"{gallery}/x/0001_c2.png", "1", "2"),
        ("query", f"a/b/{query.upper()}/0001_c1.jpg", "1", "1"),
    ]
    assert found.left_out == {"train": 1, "unnamed": 1}


def test_the_innermost_folder_counts_and_other_files_do_not(tmp_path):
    make(tmp_path, "test/query/1_c1.jpg", "test/gallery/1_c2.jpg", "test/gallery/list.txt", "test/gallery/Thumbs.db")
    make(tmp_path, "test/gallery/@eaDir/2_c2.jpg", "test/gallery/._1_c2.jpg", "gt_bbox/1_c1.jpg")
    found = survey_folder(tmp_path, PATTERN, tmp_path)
    assert [row[:2] for row in found.rows] == [("gallery", "test/gallery/1_c2.jpg"), ("query", "test/query/1_c1.jpg")]
    assert found.left_out == {"other": 1}


def test_two_folders_of_one_split_are_no_choice_to_make(tmp_path):
    make(
        tmp_path, *(f"{kind}/{split}/1_c1_1.png" for kind in ("labeled", "detected") for split in ("query", "gallery"))
    )
    assert "several folders of the query (detected/query, labeled/query). Say which" in refusal(
        tmp_path, "cuhk03", tmp_path
    )
    inside = tmp_path / "labeled"
    assert {row[1].partition("/")[0] for row in rows(inside, "cuhk03", tmp_path)} == {"labeled"}
    by_option = rows(tmp_path, "cuhk03", tmp_path, ["detected/query"], ["detected/gallery"])
    assert [row[1] for row in by_option] == ["detected/query/1_c1_1.png", "detected/gallery/1_c1_1.png"]


def test_lists_of_msmt17(tmp_path):
    names = ["0000_000_01_0303morning_0015_0.jpg", "0000_001_02_0303noon_0015_0.jpg"]
    make(tmp_path, *(f"test/0000/{name}" for name in names), "train/0000/0000_000_01_0303morning_0015_0.jpg")
    (tmp_path / "list_query.txt").write_bytes(f"\ufeff0000/{names[0]} 0\r\n\r\n".encode())
    (tmp_path / "list_gallery.txt").write_text(f"0000/{names[1]} 0\n")
    assert rows(tmp_path, "msmt17", tmp_path) == [
        ("query", f"test/0000/{names[0]}", "0", "01"),
        ("gallery", f"test/0000/{names[1]}", "0", "02"),
    ]
    (tmp_path / "list_gallery.txt").write_text(f"0000/{names[1]} 5\n")
    assert "the list says identity 5, its name says 0" in refusal(tmp_path, "msmt17", tmp_path)
    (tmp_path / "list_gallery.txt").write_text("0000/gone.jpg 5\n")
    assert "list_gallery.txt, line 1: lists '0000/gone.jpg 5', which is not there" in refusal(
        tmp_path, "msmt17", tmp_path
    )


def test_lists_and_several_folders_by_option(tmp_path):
    make(tmp_path, "a c0/P1T02A0C0F1.jpg", "a c3/P1T02A0C3F2.jpg", "b/P1T02A0C0F4.jpg", "b/P9T02A0C0F4.jpg")
    (tmp_path / "some.txt").write_text("a c0/P1T02A0C0F1.jpg\n")
    assert rows(tmp_path, "ag-reid", tmp_path, ["some.txt"], ["a c3", "b"]) == [
        ("query", "a c0/P1T02A0C0F1.jpg", "1020", "0"),
        ("gallery", "a c3/P1T02A0C3F2.jpg", "1020", "3"),
        ("gallery", "b/P1T02A0C0F4.jpg", "1020", "0"),
        ("gallery", "b/P9T02A0C0F4.jpg", "9020", "0"),
    ]


def test_paths_start_where_the_manifest_will_be(tmp_path):
    make(tmp_path, "data/set/query/1_c1.jpg", "data/set/gallery/1_c2.jpg")
    assert [row[1] for row in rows(tmp_path / "data/set", PATTERN, tmp_path / "data")] == [
        "set/gallery/1_c2.jpg",
        "set/query/1_c1.jpg",
    ]
    assert "is not below the folder of the manifest. Write the manifest into" in refusal(
        tmp_path / "data/set", PATTERN, tmp_path / "elsewhere"
    )


FAULTS = {
    "no match": (
        ["query/1_c1.jpg", "gallery/IMG_1.jpg"],
        PATTERN,
        {},
        "gallery/IMG_1.jpg: does not fit {pid}_c{camid}",
    ),
    "several ways": (
        ["gallery/a1b2x_c3.jpg", "query/a1b_c1.jpg"],
        "{}{pid}{}_c{camid}",
        {},
        "gallery/a1b2x_c3.jpg: fits the pattern {}{pid}{}_c{camid} in several ways: pid 1 camid 3 or pid 2 camid 3",
    ),
    "joined": (
        ["query/1-11_c1.jpg", "gallery/11-1_c2.jpg"],
        "{pid}-{pid}_c{camid}",
        {},
        "1+11 and 11+1 of another image are both identity 111",
    ),
    "no query": (["gallery/1_c1.jpg"], PATTERN, {}, "no images of the query. Say which folders they are: --query"),
    "no gallery": (["query/1_c1.jpg"], PATTERN, {}, "no images of the gallery. Say which folders they are"),
    "one option": (["query/1_c1.jpg"], PATTERN, {"query": ["query"]}, "one split is given, and not the other"),
    "gone": (["query/1_c1.jpg"], PATTERN, {"query": ["q"], "gallery": ["g"]}, "q: no such folder or list"),
    "empty": (["q/a.txt", "g/1_c1.jpg"], PATTERN, {"query": ["q"], "gallery": ["g"]}, "q: holds no images"),
    "no pattern": (["query/1_c1.jpg"], "duke", {}, "duke: is neither a template nor the name of one"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_the_first_file(tmp_path, fault):
    paths, pattern, options, what = FAULTS[fault]
    assert what in refusal(make(tmp_path, *paths), pattern, tmp_path, **options)


def test_an_image_is_no_list_and_a_file_no_folder(tmp_path):
    make(tmp_path, "g/1_c1.jpg")
    (tmp_path / "q.jpg").write_bytes(b"\xff\xd8\xff")
    assert "q.jpg: is no folder and no list of images" in refusal(tmp_path, PATTERN, tmp_path, ["q.jpg"], ["g"])
    assert "no such folder" in refusal(tmp_path / "q.jpg", PATTERN, tmp_path)


def test_a_link_that_leads_back_is_followed_once(tmp_path):
    make(tmp_path, "query/1_c1.jpg", "gallery/1_c2.jpg")
    (tmp_path / "query" / "again").symlink_to(tmp_path / "query")
    assert len(rows(tmp_path, PATTERN, tmp_path)) == 2
