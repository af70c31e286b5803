"""The people of mini-market: drawn from a seed, each their own, the same from every side."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from osnet_lib.datasets.pedestrian import (
    BAGS,
    BOTTOMS,
    CANVAS,
    HAIR_STYLES,
    PATTERNS,
    VIEWS,
    Person,
    draw_person,
    make_person,
    shade_folds,
)


def person(seed: int = 1) -> Person:
    return make_person(np.random.default_rng(seed))


PLAIN = Person(
    skin=(200, 160, 130),
    hair=(20, 20, 20),
    hair_style="short",
    top=(200, 30, 30),
    second=(30, 30, 200),
    pattern="plain",
    period=40,
    long_sleeves=False,
    bottom=(30, 140, 30),
    bottom_kind="trousers",
    shoes=(90, 90, 90),
    bag="none",
    bag_colour=(250, 250, 0),
    height=1.0,
    width=1.0,
)


def drawn(who: Person = PLAIN, view: str = "front", swing: float = 0.3) -> np.ndarray:
    return np.asarray(draw_person(who, view, swing)).astype(int)


def count(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int(((picture[..., :3] == colour).all(-1) & (picture[..., 3] > 0)).sum())


def test_the_seed_decides_the_person():
    people = [person(seed) for seed in range(300)]
    assert person(5) == people[5] and len(set(people)) == 300


def test_every_trait_occurs():
    people = [person(seed) for seed in range(300)]
    for trait, options in (
        ("hair_style", HAIR_STYLES),
        ("pattern", PATTERNS),
        ("bottom_kind", BOTTOMS),
        ("bag", BAGS),
        ("long_sleeves", (True, False)),
    ):
        assert {getattr(p, trait) for p in people} == set(options)
    assert all(
        0 <= channel <= 255
        for p in people
        for f in fields(p)
        if isinstance(getattr(p, f.name), tuple)
        for channel in getattr(p, f.name)
    )


@pytest.mark.parametrize("view", VIEWS)
def test_a_person_stands_on_a_transparent_canvas(view):
    for seed in range(6):
        picture = draw_person(person(seed), view, 0.5)
        alpha = np.asarray(picture)[..., 3]
        assert picture.mode == "RGBA" and picture.size == CANVAS and set(np.unique(alpha)) == {0, 255}
        rows, columns = np.where(alpha > 0)
        assert 0.1 < (alpha > 0).mean() < 0.6 and not alpha[0].any() and not alpha[:, 0].any()
        assert not alpha[:, -1].any()
        assert rows.max() - rows.min() > 380
        assert 60 < columns.mean() < 196  # nearly as tall as the canvas, about its middle


def test_drawing_twice_gives_the_same_pixels():
    assert (drawn(person(3), "left", -0.4) == drawn(person(3), "left", -0.4)).all()


def test_views_and_poses_differ():
    pictures = [drawn(person(2), view, swing) for view in VIEWS for swing in (-0.8, 0.8)]
    assert all((a != b).any() for i, a in enumerate(pictures) for b in pictures[:i])


def test_colours_are_where_they_belong():
    picture = drawn()
    top, bottom = (np.where((picture[..., :3] == colour).all(-1))[0].mean() for colour in (PLAIN.top, PLAIN.bottom))
    assert count(picture, PLAIN.top) > 3000 and count(picture, PLAIN.bottom) > 3000 and top + 100 < bottom
    assert count(picture, PLAIN.second) == 0  # a plain top shows one colour


@pytest.mark.parametrize("pattern", sorted(set(PATTERNS) - {"plain"}))
def test_patterns_show_the_second_colour(pattern):
    assert count(drawn(replace(PLAIN, pattern=pattern)), PLAIN.second) > 300


def test_a_print_is_on_the_chest_only():
    shown = {view: count(drawn(replace(PLAIN, pattern="print"), view), PLAIN.second) > 0 for view in VIEWS}
    assert shown == {"front": True, "back": False, "left": False, "right": False}


@pytest.mark.parametrize("bag", sorted(set(BAGS) - {"none"}))
def test_bags_are_seen_from_the_back_more_or_less(bag):
    bare, carried = drawn(view="back"), drawn(replace(PLAIN, bag=bag), "back")
    assert count(bare, PLAIN.bag_colour) == 0 and count(carried, PLAIN.bag_colour) > 500


def test_a_backpack_covers_the_back_and_leaves_straps_in_front():
    front, back = (count(drawn(replace(PLAIN, bag="backpack"), view), PLAIN.bag_colour) for view in ("front", "back"))
    assert 0 < front < back / 2


@pytest.mark.parametrize("style", sorted(set(HAIR_STYLES) - {"bald", "cap"}))
def test_hair_shows(style):
    assert (
        count(drawn(replace(PLAIN, hair_style=style), "back"), PLAIN.hair)
        > 1000
        > count(drawn(replace(PLAIN, hair_style="bald"), "back"), PLAIN.hair)
    )


def test_sleeves_trousers_and_build():
    arm = tuple(int(0.95 * channel) for channel in PLAIN.skin)  # the nearer arm, in its shade
    assert count(drawn(replace(PLAIN, long_sleeves=True)), arm) < 0.5 * count(drawn(), arm)
    legs = [count(drawn(replace(PLAIN, bottom_kind=kind)), PLAIN.bottom) for kind in ("trousers", "shorts")]
    assert legs[0] > legs[1] > 0
    areas = [(drawn(replace(PLAIN, width=width))[..., 3] > 0).sum() for width in (0.8, 1.0, 1.25)]
    assert areas == sorted(areas) and areas[2] > 1.2 * areas[0]


def test_folds_shade_the_cloth_and_keep_the_outline():
    picture = draw_person(PLAIN, "front", 0.2)
    shaded = [np.asarray(shade_folds(picture, np.random.default_rng(seed))).astype(int) for seed in (1, 1, 2)]
    assert (shaded[0] == shaded[1]).all() and (shaded[0] != shaded[2]).any()
    assert (shaded[0][..., 3] == drawn(swing=0.2)[..., 3]).all()
    cloth = shaded[0][(drawn(swing=0.2)[..., :3] == PLAIN.top).all(-1)]
    assert len(np.unique(cloth[:, 0])) > 20
