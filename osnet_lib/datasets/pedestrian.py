"""A pedestrian drawn from a description: the people of the embedded mini-market data set.

Nothing here is a photograph of anybody. A `Person` is drawn from a seeded generator, `draw_person`
paints it in one view and one walking pose on a transparent canvas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
Point = tuple[float, float]

CANVAS = (256, 512)  # four times the 64x128 of a Market-1501 crop, width first
VIEWS = ("front", "back", "left", "right")

# What people wear on a campus in summer: few colours, so that many strangers look alike.
CLOTHES: tuple[Colour, ...] = (
    (28, 28, 32),
    (235, 235, 232),
    (120, 122, 126),
    (36, 52, 96),
    (70, 110, 170),
    (160, 34, 40),
    (212, 96, 120),
    (44, 96, 58),
    (214, 180, 64),
    (96, 64, 44),
    (196, 176, 148),
    (110, 60, 120),
    (228, 124, 52),
    (76, 150, 150),
)
SKIN: tuple[Colour, ...] = ((236, 196, 168), (216, 172, 138), (178, 128, 92), (120, 82, 60))
HAIR: tuple[Colour, ...] = ((22, 20, 20), (52, 36, 26), (98, 68, 42), (150, 146, 142))
PATTERNS = ("plain", "plain", "hoops", "pinstripes", "checks", "dots", "two-tone", "print")
BOTTOMS = ("trousers", "trousers", "shorts", "skirt")
HAIR_STYLES = ("short", "short", "long", "tail", "cap", "bald")
BAGS = ("none", "none", "backpack", "shoulder", "handbag")


@dataclass(frozen=True)
class Person:
    """What stays the same from picture to picture: the identity."""

    skin: Colour
    hair: Colour
    hair_style: str
    top: Colour
    second: Colour
    pattern: str
    period: int
    long_sleeves: bool
    bottom: Colour
    bottom_kind: str
    shoes: Colour
    bag: str
    bag_colour: Colour
    height: float
    width: float


def make_person(rng: np.random.Generator) -> Person:
    """Draw an identity from `rng`."""

    def pick(options):
        return options[int(rng.integers(len(options)))]

    def dye(options: tuple[Colour, ...], spread: int) -> Colour:
        red, green, blue = (int(np.clip(c + rng.integers(-spread, spread + 1), 0, 255)) for c in pick(options))
        return red, green, blue

    return Person(
        skin=dye(SKIN, 8),
        hair=dye(HAIR, 8),
        hair_style=pick(HAIR_STYLES),
        top=dye(CLOTHES, 18),
        second=dye(CLOTHES, 18),
        pattern=pick(PATTERNS),
        period=int(rng.integers(20, 52)),
        long_sleeves=bool(rng.random() < 0.4),
        bottom=dye(CLOTHES[:5] + CLOTHES[9:11], 16),
        bottom_kind=pick(BOTTOMS),
        shoes=dye(CLOTHES, 20),
        bag=pick(BAGS),
        bag_colour=dye(CLOTHES, 20),
        height=float(rng.uniform(0.90, 1.06)),
        width=float(rng.uniform(0.80, 1.25)),
    )


def _fabric(person: Person, view: str) -> Image.Image:
    """The cloth of the top as a full canvas; the torso cuts its shape out of it."""
    y, x = np.ogrid[0 : CANVAS[1], 0 : CANVAS[0]]
    p = person.period
    second = {
        "plain": lambda: np.False_,
        "hoops": lambda: y % p < p // 2,
        "pinstripes": lambda: x % p < p // 3,
        "checks": lambda: (y // p + x // p) % 2 == 0,
        "dots": lambda: ((x % p - p // 2) ** 2 + (y % p - p // 2) ** 2) < (p / 3.2) ** 2,
        "two-tone": lambda: y < 178,
        # A print is on the chest only, so two cameras can disagree about it, as in life.
        "print": lambda: (abs(x - 128) < 26) & (abs(y - 170) < 24) & (view == "front"),
    }[person.pattern]()
    cloth = Image.new("RGB", CANVAS, person.top)
    cloth.paste(person.second, mask=Image.fromarray(np.broadcast_to(second, CANVAS[::-1])))
    return cloth


def _limb(draw: ImageDraw.ImageDraw, points: list[Point], width: float, colour: Colour) -> None:
    """A thick line with round joints."""
    draw.line(points, fill=colour, width=int(width), joint="curve")
    for x, y in points:
        r = width / 2
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (int(np.clip(c * factor, 0, 255)) for c in colour)
    return red, green, blue


def _draw_legs(
    draw: ImageDraw.ImageDraw, p: Person, hip: Point, half: float, swing: float, side: bool, w: float
) -> None:
    length = 118 * p.height
    for sign in (-1, 1):
        # Seen from the side the legs swing across the picture, seen from the front they only lift.
        x0 = hip[0] + (0 if side else sign * half * 0.5)
        knee = (
            x0 + (sign * swing * 26 if side else sign * 3),
            hip[1] + length * (1 if side else 1 - 0.05 * abs(swing)),
        )
        foot = (knee[0] + (sign * swing * 34 if side else 0), knee[1] + length * (1 - 0.08 * max(0, sign * swing)))
        tone = 0.84 if sign < 0 else 1.0
        cloth, skin = _shade(p.bottom, tone), _shade(p.skin, tone)
        _limb(draw, [hip, (x0, hip[1] + 10), knee, foot], 27 * w, skin if p.bottom_kind != "trousers" else cloth)
        if p.bottom_kind == "shorts":
            _limb(draw, [(x0, hip[1] + 8), knee], 33 * w, cloth)
        _limb(
            draw, [(foot[0] - 4, foot[1] + 4), (foot[0] + (14 if side else 2), foot[1] + 6)], 22, _shade(p.shoes, tone)
        )
    if p.bottom_kind == "skirt":
        x, y = hip
        draw.polygon(
            [(x - half, y - 6), (x + half, y - 6), (x + half * 1.45, y + length), (x - half * 1.45, y + length)],
            fill=p.bottom,
        )


def _draw_arms(
    draw: ImageDraw.ImageDraw, p: Person, shoulder: float, half: float, swing: float, side: bool, w: float
) -> None:
    for sign in (-1, 1):
        x = 128 + (0 if side else sign * half)
        elbow = (x + (sign * swing * 24 if side else sign * 10), shoulder + 66)
        hand = (elbow[0] + (10 + sign * swing * 18 if side else sign * 2), elbow[1] + 60)
        tone = 0.86 if sign < 0 else 0.95
        _limb(draw, [(x, shoulder + 12), elbow, hand], 18 * w, _shade(p.skin, tone))
        _limb(draw, [(x, shoulder + 10), elbow] + ([hand] if p.long_sleeves else []), 22 * w, _shade(p.top, tone))


def _draw_head(draw: ImageDraw.ImageDraw, p: Person, view: str, neck: float) -> None:
    x, y, r = 128 + {"left": -5, "right": 5}.get(view, 0), neck - 30, 25
    if p.hair_style == "long":
        draw.rounded_rectangle((x - r - 4, y - r, x + r + 4, neck + 34), 14, fill=p.hair)
    draw.rectangle((x - 9, y + 10, x + 9, neck + 12), fill=_shade(p.skin, 0.85))
    draw.ellipse((x - r, y - r - 5, x + r, y + r + 7), fill=p.skin)
    top = {
        "front": (-r - 2, -r - 9, r + 2, -4),
        "back": (-r - 2, -r - 9, r + 2, r),
        "left": (-4, -r - 9, r + 3, r - 8),
        "right": (-r - 3, -r - 9, 4, r - 8),
    }[view]
    if p.hair_style != "bald":
        colour = p.second if p.hair_style == "cap" else p.hair
        draw.ellipse((x + top[0], y + top[1], x + top[2], y + top[3]), fill=colour)
        draw.chord((x - r - 2, y - r - 9, x + r + 2, y + r - 6), 180, 360, fill=colour)
    if p.hair_style == "tail" and view != "front":
        _limb(draw, [(x, y - 4), (x + {"left": 24, "right": -24}.get(view, 0), y + 44)], 15, p.hair)


def _draw_bag(draw: ImageDraw.ImageDraw, p: Person, view: str, shoulder: float, half: float, hip: float) -> None:
    c = p.bag_colour
    if p.bag == "backpack":
        box = {"back": (128 - half * 0.8, 128 + half * 0.8), "left": (142, 182), "right": (74, 114)}.get(view)
        if box:
            draw.rounded_rectangle((box[0], shoulder + 14, box[1], shoulder + 112), 14, fill=c)
        else:
            for sign in (-1, 1):
                draw.line(
                    [(128 + sign * half * 0.6, shoulder), (128 + sign * half * 0.6, shoulder + 70)], fill=c, width=11
                )
    elif p.bag == "shoulder":
        near = 1 if view in ("front", "right") else -1  # the strap runs to the wearer's left hip
        draw.line([(128 - near * half * 0.7, shoulder), (128 + near * half * 0.9, hip)], fill=c, width=9)
        draw.rounded_rectangle((128 + near * half - 24, hip - 14, 128 + near * half + 24, hip + 44), 8, fill=c)
    elif p.bag == "handbag":
        x = 128 + (half + 14) * (1 if view in ("front", "right") else -1)
        draw.rounded_rectangle((x - 19, hip + 34, x + 19, hip + 76), 6, fill=c)


def draw_person(person: Person, view: str, swing: float) -> Image.Image:
    """Paint a person.

    Parameters
    ----------
    person : Person
        Who.
    view : {"front", "back", "left", "right"}
        The side of the person that the camera sees.
    swing : float
        Walking pose, -1 to 1: how far legs and arms are apart.

    Returns
    -------
    PIL.Image.Image
        RGBA, `CANVAS` pixels, transparent around the person.
    """
    side = view in ("left", "right")
    w = person.width
    half = 44 * w * (0.62 if side else 1.0)
    neck = 506 - 372 * person.height
    shoulder, hip = neck + 8, neck + 138 * person.height
    picture = Image.new("RGBA", CANVAS, (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    if view == "front":
        _draw_bag(draw, person, view, shoulder, half, hip) if person.bag == "handbag" else None
    _draw_legs(draw, person, (128, hip), half * 0.8, swing, side, w)
    if not side:
        _draw_arms(draw, person, shoulder, half, swing, side, w)
    torso = Image.new("L", CANVAS, 0)
    ImageDraw.Draw(torso).polygon(
        [
            (128 - half * 0.55, shoulder - 8),
            (128 + half * 0.55, shoulder - 8),
            (128 + half, shoulder + 8),
            (128 + half * 0.86, hip + 8),
            (128 - half * 0.86, hip + 8),
            (128 - half, shoulder + 8),
        ],
        fill=255,
    )
    picture.paste(_fabric(person, view), (0, 0), torso)
    if side:
        _draw_arms(draw, person, shoulder, half * 0.2, swing, side, w)
    if not (person.bag == "handbag" and view == "front"):
        _draw_bag(draw, person, view, shoulder, half, hip)
    _draw_head(draw, person, view, neck)
    return picture


def shade_folds(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Light from one side and soft folds in the cloth, so that no surface is flat."""
    coarse = Image.fromarray(rng.integers(0, 256, (16, 8), dtype=np.uint8)).resize(CANVAS, Image.Resampling.BICUBIC)
    folds = np.asarray(coarse.filter(ImageFilter.GaussianBlur(6)), np.float32) / 255
    light = np.linspace(-1, 1, CANVAS[0], dtype=np.float32) * float(rng.uniform(-0.22, 0.22))
    pixels = np.array(picture, np.float32)
    pixels[..., :3] *= (0.8 + 0.4 * folds + light)[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255, out=pixels).astype(np.uint8), "RGBA")
