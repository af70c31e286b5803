"""mini-market: the same bytes everywhere, in Market-1501's layout, with everything its protocol needs."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.paths import ROOT, TESTS
from osnet_lib.datasets import minimarket
from osnet_lib.datasets.market1501 import FOLDERS, open_market1501, parse_name
from osnet_lib.datasets.minimarket import CAMERAS, SIZE, Picture, World, plan, render, render_minimarket, world_digest
from osnet_lib.datasets.pedestrian import draw_person
from osnet_lib.errors import DatasetError

TINY = World(train_pids=2, test_pids=2, pictures_per_camera=1, distractors=2, junk=2)
PICTURES = plan(World())


def of(split: str) -> list[Picture]:
    return [p for p in PICTURES if p.split == split]


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float32)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """The tiny data set, all splits; tests only read it."""
    return render_minimarket(
        tmp_path_factory.mktemp("mini") / "mini-market", TINY, ("query", "gallery", "train"), progress=False
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# The plan: counts and names, without rendering


def test_sizes_are_those_of_the_study():
    assert len({p.pid for p in of("train")}) >= 150 and len({p.pid for p in of("query")}) >= 100
    assert 270 <= len(of("query")) <= 330 and 1080 <= len(of("gallery")) <= 1400 and len(of("train")) > 2000


def test_train_and_test_share_nobody():
    train, test = ({p.seed[1] for p in PICTURES if (p.split == "train") == which} for which in (True, False))
    assert not train & test
    assert not {p.pid for p in of("train")} & {p.pid for p in of("query") + of("gallery")}


def test_names_are_unique_and_say_what_they_show():
    assert len({(p.split, p.name) for p in PICTURES}) == len(PICTURES)
    for picture in PICTURES:
        sample = parse_name(picture.name, picture.split)
        assert (sample.pid, sample.camid) == (picture.pid, picture.camid)


def test_gallery_holds_junk_and_distractors_and_the_others_do_not():
    pids = [p.pid for p in of("gallery")]
    assert pids.count(0) == 100 and pids.count(-1) == 80
    assert min(p.pid for p in of("query") + of("train")) > 0


def test_strangers_under_one_label_are_different_people():
    strangers = [p.seed[1] for p in of("gallery") if p.pid <= 0]
    assert len(set(strangers)) == len(strangers) and not set(strangers) & {p.pid for p in PICTURES}


def test_every_query_has_a_match_in_another_camera_and_one_in_its_own():
    cameras = defaultdict(set)
    for picture in of("gallery"):
        cameras[picture.pid].add(picture.camid)
    for query in of("query"):
        assert cameras[query.pid] - {query.camid} and query.camid in cameras[query.pid]


@pytest.mark.parametrize("split", FOLDERS)
def test_all_six_cameras_are_used_evenly(split):
    counts = np.bincount([p.camid for p in of(split)], minlength=7)[1:]
    assert len(counts) == 6 and counts.min() > 0.5 * counts.max()


def test_the_seed_decides_the_plan():
    assert plan(World()) == PICTURES and plan(World(seed=2)) != PICTURES
    assert [c.camid for c in CAMERAS] == [1, 2, 3, 4, 5, 6] and all(sum(c.views) == pytest.approx(1) for c in CAMERAS)


# The pictures


def sampled() -> list[Picture]:
    return PICTURES[:: len(PICTURES) // 7]


def test_bytes_are_the_same_in_another_process():
    script = (
        "from test_minimarket import *\n"
        "print(hashlib.sha256(b''.join(render(p, World()) for p in sampled())).hexdigest())"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, TESTS, Path(__file__).parent))),
        "PYTHONHASHSEED": "7",
    }
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(b"".join(render(p, World()) for p in sampled())).hexdigest()


def test_pictures_are_jpegs_of_a_crop_s_size_and_the_camera_s_quality():
    tables = {}
    for camera in CAMERAS:
        picture = next(p for p in of("gallery") if p.camid == camera.camid)
        with Image.open(io.BytesIO(render(picture, World()))) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", SIZE) == ("JPEG", "RGB", (64, 128))
            tables[camera.quality] = sum(image.quantization[0])
    assert [tables[q] for q in sorted(tables)] == sorted(tables.values(), reverse=True)
    assert len(set(tables.values())) == 6


def test_one_person_looks_different_from_camera_to_camera_and_shot_to_shot():
    world = replace(World(), pictures_per_camera=1)
    shots = [Picture("gallery", "x", 1, camid, (1501, 1, camid, frame, 1)) for camid in range(1, 7) for frame in (1, 2)]
    images = [pixels(render(shot, world)) for shot in shots]
    apart = [np.abs(a - b).mean() for i, a in enumerate(images) for b in images[:i]]
    assert min(apart) > 5  # of 255


def test_cameras_have_their_own_light():
    brightness = {
        camid: np.mean(
            [
                pixels(render(p, World())).mean()
                for p in [q for q in of("gallery") if q.camid == camid and q.pid > 0][:6]
            ]
        )
        for camid in (3, 4)
    }
    assert brightness[3] > 1.3 * brightness[4]  # the brightest and the darkest


def test_clothes_tell_people_apart_through_one_camera():
    """Two strangers differ more than two shots of one person, on the whole; else nothing could be learnt."""
    plain = replace(CAMERAS[0], occlusion=0, views=(1, 0, 0, 0))
    world = World(cameras=(plain,) * 6)
    chest = [
        [
            pixels(render(Picture("gallery", "x", who, 1, (1501, who, 1, frame, 1)), world))[35:55, 24:40].mean((0, 1))
            for frame in (1, 2, 3)
        ]
        for who in range(1, 9)
    ]
    chest = np.array(chest)  # people, shots, RGB
    within = np.linalg.norm(chest - chest.mean(1, keepdims=True), axis=2).mean()
    between = np.linalg.norm(chest.mean(1)[:, None] - chest.mean(1)[None], axis=2)[np.triu_indices(8, 1)].mean()
    assert between > 2 * within


# The folder


def test_the_layout_is_market_1501_s(rendered):
    with open_market1501(rendered) as dataset:
        assert not dataset.is_market1501 and len(dataset.junk) == 2
        expected = {split: sorted(p.name for p in plan(TINY) if p.split == split and p.pid >= 0) for split in FOLDERS}
        assert {split: [s.name for s in getattr(dataset, split)] for split in FOLDERS} == expected
        for sample in (*dataset.query, *dataset.gallery, *dataset.junk, *dataset.train):
            assert dataset.image(sample).size == SIZE


def test_two_renderings_are_equal(rendered, tmp_path):
    assert contents(
        render_minimarket(tmp_path / "again", TINY, ("train", "gallery", "query"), progress=False)
    ) == contents(rendered)


def test_a_finished_rendering_is_left_alone(rendered, monkeypatch):
    monkeypatch.setattr(minimarket, "draw_person", None)
    (rendered / "query" / "Thumbs.db").write_bytes(b"litter")
    assert render_minimarket(rendered, TINY, ("query", "gallery"), progress=False) == rendered
    (rendered / "query" / "Thumbs.db").unlink()


def test_only_what_is_asked_for_is_rendered(tmp_path):
    render_minimarket(tmp_path, TINY, ("query",), progress=False)
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == ["query"]


def test_an_interrupted_rendering_is_completed(rendered, tmp_path, monkeypatch):
    drawn = []

    def draw_three(*arguments):
        if len(drawn) == 3:
            raise KeyboardInterrupt
        drawn.append(arguments)
        return draw_person(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(minimarket, "draw_person", draw_three)
        with pytest.raises(KeyboardInterrupt):
            render_minimarket(tmp_path, TINY, ("query", "gallery", "train"), progress=False)
    done = [path.name for path in (tmp_path / "query").iterdir()]
    kept = {name: (tmp_path / "query" / name).stat().st_mtime_ns for name in done}
    assert len(kept) == 3
    render_minimarket(tmp_path, TINY, ("query", "gallery", "train"), progress=False)
    assert contents(tmp_path) == contents(rendered)
    assert {name: (tmp_path / "query" / name).stat().st_mtime_ns for name in done} == kept


def test_a_picture_that_went_missing_is_rendered_again(rendered, tmp_path):
    render_minimarket(tmp_path, TINY, ("query",), progress=False)
    lost = sorted((tmp_path / "query").iterdir())[0]
    lost.unlink()
    render_minimarket(tmp_path, TINY, ("query",), progress=False)
    assert lost.read_bytes() == (rendered / "query" / lost.name).read_bytes()


@pytest.mark.parametrize("interrupted", [False, True])
def test_another_world_renders_everything_again(tmp_path, interrupted):
    render_minimarket(tmp_path, TINY, ("query",), progress=False)
    before = contents(tmp_path)
    if interrupted:
        (tmp_path / ".query").write_text((tmp_path / ".query").read_text() + " unfinished")
    render_minimarket(tmp_path, replace(TINY, seed=7), ("query",), progress=False)
    after = contents(tmp_path)
    assert {name for name in after if name.startswith("query")} == {
        f"query/{p.name}" for p in plan(replace(TINY, seed=7)) if p.split == "query"
    }
    assert not set(before.values()) & set(after.values())


@pytest.mark.parametrize(
    "changes", [{"seed": 2}, {"junk": 3}, {"cameras": (replace(CAMERAS[0], light=1.0), *CAMERAS[1:])}]
)
def test_every_number_of_the_world_counts(changes):
    assert world_digest(replace(TINY, **changes)) != world_digest(TINY) == world_digest(replace(TINY))


def test_the_code_of_the_renderer_counts(monkeypatch):
    before = world_digest(TINY)
    monkeypatch.setattr(minimarket, "code_digest", lambda *functions: "other code")
    assert world_digest(TINY) != before


def test_files_of_others_are_not_deleted(tmp_path):
    mine = tmp_path / "query" / "0001_c1s1_000001_00.jpg"
    mine.parent.mkdir()
    mine.write_bytes(b"precious")
    with pytest.raises(DatasetError, match="query: holds files that were not rendered here. Choose another folder"):
        render_minimarket(tmp_path, TINY, progress=False)
    assert mine.read_bytes() == b"precious"
