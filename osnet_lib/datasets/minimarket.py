"""mini-market: an embedded data set in Market-1501's layout, rendered from a seed.

It exists so that the whole study runs where Market-1501 is not: same folders, same file names,
same protocol (junk, distractors, six cameras), other pictures. A score on it says that the
pipeline works and tells a good network from a bad one; it is never a Market-1501 score.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from tqdm import tqdm

from ..core.code_digest import code_digest
from ..core.files import atomic_path, fingerprint, read_text, write_text
from ..errors import DatasetError
from .market1501 import FOLDERS
from .pedestrian import CANVAS, VIEWS, Person, draw_person, make_person, shade_folds

SIZE = (64, 128)  # width, height of a crop
_UNFINISHED = " unfinished"


@dataclass(frozen=True)
class Camera:
    """A viewpoint with its own light, lens and place.

    `views` are the chances of front, back, left and right; `cast` the gains of red, green, blue;
    `squash` shortens the person as a high viewpoint does; `occlusion` is the chance that something
    stands in front.
    """

    camid: int
    views: tuple[float, float, float, float]
    light: float
    cast: tuple[float, float, float]
    gamma: float
    squash: float
    blur: float
    noise: float
    occlusion: float
    quality: int
    ground: tuple[int, int, int]
    wall: tuple[int, int, int]


CAMERAS = (
    Camera(
        1, (0.6, 0.1, 0.2, 0.1), 1.05, (1.10, 1.00, 0.88), 1.00, 1.00, 0.4, 3, 0.10, 88, (150, 146, 136), (172, 120, 96)
    ),
    Camera(
        2, (0.1, 0.6, 0.1, 0.2), 0.80, (0.86, 0.98, 1.18), 1.15, 0.95, 0.7, 5, 0.15, 80, (108, 112, 118), (88, 104, 82)
    ),
    Camera(
        3,
        (0.2, 0.2, 0.5, 0.1),
        1.22,
        (1.06, 1.04, 0.94),
        0.86,
        0.98,
        0.5,
        4,
        0.20,
        84,
        (188, 182, 168),
        (214, 208, 196),
    ),
    Camera(4, (0.2, 0.2, 0.1, 0.5), 0.66, (1.14, 0.94, 0.82), 1.10, 0.92, 0.8, 7, 0.15, 74, (92, 84, 74), (64, 60, 58)),
    Camera(
        5,
        (0.35, 0.35, 0.15, 0.15),
        0.95,
        (0.92, 1.10, 0.92),
        0.95,
        1.03,
        0.6,
        4,
        0.25,
        82,
        (96, 124, 72),
        (120, 140, 96),
    ),
    Camera(
        6,
        (0.25, 0.25, 0.25, 0.25),
        0.88,
        (0.98, 0.92, 1.12),
        1.05,
        0.90,
        1.3,
        9,
        0.20,
        56,
        (130, 128, 138),
        (146, 150, 170),
    ),
)


@dataclass(frozen=True)
class World:
    """How much of everything; the seed and the numbers decide every byte.

    Train and test identities are disjoint. Each identity passes 3 to 5 cameras; its first picture
    in each of up to three of them is a query, the others go to the gallery.
    """

    seed: int = 1501
    train_pids: int = 200
    test_pids: int = 100
    pictures_per_camera: int = 3
    distractors: int = 100
    junk: int = 80
    cameras: tuple[Camera, ...] = field(default=CAMERAS, repr=False)


@dataclass(frozen=True)
class Picture:
    """One file to render: where it goes and everything its pixels depend on."""

    split: str
    name: str
    pid: int
    camid: int
    seed: tuple[int, ...]


def plan(world: World) -> list[Picture]:
    """Every file of the data set, in a fixed order, without rendering one."""
    pictures = []

    def add(split: str, label: int, camid: int, frame: int, box: int, who: int) -> None:
        # The person's own number keeps strangers apart that share a label (distractors, junk).
        name = f"{'-1' if label < 0 else f'{label:04d}'}_c{camid}s1_{frame:06d}_{box:02d}.jpg"
        pictures.append(Picture(split, name, label, camid, (world.seed, who, camid, frame, box)))

    for index in range(world.train_pids + world.test_pids):
        pid = index + 1
        rng = np.random.default_rng([world.seed, 1, pid])
        cameras = rng.permutation(len(world.cameras))[: rng.integers(3, 6)]
        test = index >= world.train_pids
        for turn, camera in enumerate(cameras):
            camid, start = int(camera) + 1, int(rng.integers(1, 90000))
            for shot in range(world.pictures_per_camera + 1):
                split = "train" if not test else "query" if shot == 0 else "gallery"
                if split == "query" and turn >= 3:
                    continue
                add(split, pid, camid, start + 25 * shot, 0 if shot == 0 else shot, pid)
    rng = np.random.default_rng([world.seed, 2])
    for label, count in ((0, world.distractors), (-1, world.junk)):
        for number in range(count):
            who = 100_000 * (1 + abs(label)) + number
            add("gallery", label, int(rng.integers(len(world.cameras))) + 1, 100_000 + 10 * number, 1, who)
    return pictures


def _backdrop(camera: Camera, rng: np.random.Generator) -> Image.Image:
    """Ground, wall and clutter of a place; the crop sees another part of it every time."""
    picture = Image.new("RGB", CANVAS, camera.wall)
    draw = ImageDraw.Draw(picture)
    horizon = int(rng.integers(120, 330))
    for _ in range(9):
        x, y, w, h = (int(v) for v in rng.integers((-40, -40, 16, 30), (CANVAS[0], horizon, 110, 200)))
        tone = float(rng.uniform(0.6, 1.35))
        draw.rectangle((x, y, x + w, y + h), fill=tuple(min(255, int(c * tone)) for c in camera.wall))
    draw.rectangle((0, horizon, *CANVAS), fill=camera.ground)
    for _ in range(6):
        y = int(rng.integers(horizon, CANVAS[1]))
        tone = float(rng.uniform(0.75, 1.2))
        draw.line(
            (0, y, CANVAS[0], y + int(rng.integers(-60, 60))),
            fill=tuple(min(255, int(c * tone)) for c in camera.ground),
            width=int(rng.integers(3, 22)),
        )
    return picture.filter(ImageFilter.GaussianBlur(3))


def _occlude(picture: Image.Image, rng: np.random.Generator) -> None:
    """A pole, a parked bicycle's basket, a bush: something between camera and person."""
    draw = ImageDraw.Draw(picture)
    colour = tuple(int(v) for v in rng.integers(20, 200, 3))
    if rng.random() < 0.5:
        x, w = int(rng.integers(20, 230)), int(rng.integers(14, 40))
        draw.rectangle((x, 0, x + w, CANVAS[1]), fill=colour)
    else:
        draw.ellipse(
            (int(rng.integers(-80, 60)), int(rng.integers(330, 420)), int(rng.integers(160, 340)), 640), fill=colour
        )


def _expose(picture: Image.Image, camera: Camera, rng: np.random.Generator) -> Image.Image:
    """The camera's light, colour cast, gamma, lens blur and sensor noise on a 64x128 crop."""
    picture = picture.filter(ImageFilter.GaussianBlur(camera.blur * float(rng.uniform(0.6, 1.5))))
    pixels = np.asarray(picture, np.float32) / 255
    gain = camera.light * float(rng.uniform(0.78, 1.24)) * np.asarray(camera.cast, np.float32)
    pixels = np.clip(pixels * gain * rng.uniform(0.94, 1.06, 3).astype(np.float32), 0, 1) ** camera.gamma
    noise = rng.integers(-100, 101, pixels.shape).astype(np.float32) * (camera.noise / 100 / 255)
    return Image.fromarray((np.clip(pixels + noise, 0, 1) * 255).astype(np.uint8))


def render(picture: Picture, world: World) -> bytes:
    """The JPEG file of one picture."""
    rng = np.random.default_rng(picture.seed)
    camera = world.cameras[picture.camid - 1]
    person: Person = make_person(np.random.default_rng([world.seed, 3, picture.seed[1]]))
    figure = shade_folds(draw_person(person, VIEWS[rng.choice(4, p=camera.views)], float(rng.uniform(-1, 1))), rng)
    scene = _backdrop(camera, rng)
    # A detector's box is never exact; junk is what it cuts from beside, above or across a person.
    junk = picture.pid < 0
    zoom = float(rng.uniform(1.5, 2.2) if junk else rng.uniform(0.88, 1.06))
    width, height = int(CANVAS[0] * zoom), int(CANVAS[1] * zoom * camera.squash)
    shift = rng.uniform(-0.75, 0.75, 2) if junk else rng.uniform(-0.07, 0.07, 2)
    corner = (
        int((CANVAS[0] - width) / 2 + shift[0] * CANVAS[0]),
        int((CANVAS[1] - height) / 2 + shift[1] * CANVAS[1] * 0.7),
    )
    figure = figure.resize((width, height), Image.Resampling.BILINEAR)
    scene.paste(figure, corner, figure)
    if rng.random() < camera.occlusion:
        _occlude(scene, rng)
    crop = _expose(scene.resize(SIZE, Image.Resampling.BOX), camera, rng)
    buffer = io.BytesIO()
    crop.save(buffer, "JPEG", quality=camera.quality, subsampling=2)
    return buffer.getvalue()


def world_digest(world: World) -> str:
    """Identifies the data set a world renders: its numbers and the code of the renderer."""
    return fingerprint([asdict(world), code_digest(render, plan)])


def render_minimarket(
    folder: Path, world: World = World(), splits: tuple[str, ...] = ("query", "gallery"), progress: bool = True
) -> Path:
    """Render the data set below `folder`, in Market-1501's layout, unless it is there already.

    Parameters
    ----------
    folder : path
        Receives ``query/``, ``bounding_box_test/`` and, when asked for, ``bounding_box_train/``.
    splits : tuple of {"query", "gallery", "train"}
        What to render.

    Returns
    -------
    Path
        `folder`. A stamp per split names the world: an outdated rendering is redone, an interrupted one completed.

    Raises
    ------
    DatasetError
        A folder with files in it that no rendering left: they are not deleted.
    """
    folder, wanted, pictures = Path(folder), world_digest(world), plan(world)
    for split in splits:
        target, stamp = folder / FOLDERS[split], folder / f".{split}"
        held = {path.name for path in target.iterdir()} if target.is_dir() else set()
        missing = [p for p in pictures if p.split == split and p.name not in held]
        found = read_text(stamp, errors="replace") if stamp.is_file() else ""
        if found == wanted and not missing:
            continue
        if held and not found:
            raise DatasetError(
                "holds files that were not rendered here", where=target, cure="Choose another folder for mini-market."
            )
        if found.removesuffix(_UNFINISHED) != wanted:
            for name in held:
                (target / name).unlink()
            missing = [p for p in pictures if p.split == split]
        write_text(stamp, wanted + _UNFINISHED)
        for picture in tqdm(missing, desc=f"render {split}", unit="image", disable=not progress):
            with atomic_path(target / picture.name) as temporary:
                temporary.write_bytes(render(picture, world))
        write_text(stamp, wanted)  # last, so that it vouches for every file
    return folder
