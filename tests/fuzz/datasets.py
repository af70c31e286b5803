"""What reads data sets: pictures, archives, manifests, lists, ground truth, templates of names."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import loadmat, savemat

from fuzz.target import SMALL, Target, command, digest, put
from helpers.market import TINY, write_ground_truth
from osnet_lib.datasets.collection import open_collection
from osnet_lib.datasets.ground_truth import read_ground_truth
from osnet_lib.datasets.manifest import open_manifest
from osnet_lib.datasets.minimarket import World, render_minimarket
from osnet_lib.datasets.name_template import PUBLIC_TEMPLATES, NameTemplate
from osnet_lib.datasets.picture import Decoder
from osnet_lib.datasets.preprocess import preprocess

_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "TGA", "ICO", "JPEG2000")


def _picture(kind: str, size: tuple[int, int] = (16, 32), mode: str = "RGB", **options) -> bytes:
    pixels = np.random.default_rng(7).integers(0, 256, (size[1], size[0], 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def pictures(_folder: Path) -> dict[str, bytes]:
    further = {
        "progressive": _picture("JPEG", (64, 128), progressive=True, optimize=True),
        "grey": _picture("JPEG", mode="L"),
        "four colours": _picture("JPEG", mode="CMYK"),
        "turned": _picture("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"),
        "palette": _picture("PNG", mode="P"),
        "transparent": _picture("PNG", mode="RGBA"),
        "packed TIFF": _picture("TIFF", compression="tiff_deflate"),
    }
    return {kind: _picture(kind) for kind in _FORMATS} | further


def _decode(data: bytes, _folder: Path) -> str:
    return digest(preprocess(Decoder()(data, "0001_c1s1_000001_00.jpg")).tobytes())


def _files() -> dict[str, bytes]:
    names = [(folder, name) for folder in ("query", "bounding_box_test") for name in TINY[folder]]
    return {f"{folder}/{name}": _picture("JPEG") + name.encode() for folder, name in names}


def _zip(compression: int, top: str = "") -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", compression) as archive:
        for name, content in _files().items():
            archive.writestr(zipfile.ZipInfo(top + name), content, compression)
    return whole.getvalue()


def _tar(mode: str) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode=mode) as archive:
        for name, content in _files().items():
            member = tarfile.TarInfo(f"Market-1501/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return whole.getvalue()


def zips(_folder: Path) -> dict[str, bytes]:
    top = "Market-1501-v15.09.15/"
    return {"stored": _zip(zipfile.ZIP_STORED), "deflated": _zip(zipfile.ZIP_DEFLATED, top)}


def _tars(_folder: Path) -> dict[str, bytes]:
    return {mode or "plain": _tar(f"w:{mode}") for mode in ("", "gz", "bz2", "xz")}


def _packed_tars(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in _tars(folder).items() if name != "plain"}


def _open(suffix: str):
    def read(data: bytes, folder: Path) -> str:
        with open_collection(put(folder, f"market{suffix}", data)) as dataset:
            images = (*dataset.query, *dataset.gallery)
            assert repr(dataset) and dataset.digest
            return digest(*(part for image in images for part in (image.name.encode(), dataset.read(image))))

    return read


def _manifests(folder: Path) -> dict[str, bytes]:
    rows = []
    for number, name in enumerate(("a.jpg", "b.jpg", "c.png", "d.jpg")):
        put(folder, f"images/{name}", _picture("JPEG"))
        rows.append(f"{'query' if number < 1 else 'gallery'},images/{name},{number // 2},{number}")
    text = "\n".join(["split,path,pid,camid", *rows, ""])
    return {"commas": text.encode(), "semicolons": text.replace(",", ";").encode("utf-16")}


def _manifest(data: bytes, folder: Path) -> str:
    with open_manifest(put(folder, "manifest.csv", data)) as dataset:
        return f"{dataset} {dataset.summary()}"


def _lists(folder: Path) -> dict[str, bytes]:
    for name in ("0001_c1_a.jpg", "0001_c2_b.jpg", "0002_c1_c.jpg"):
        put(folder, f"images/{name}", _picture("JPEG"))
    (folder / "rest.txt").write_text("images/0001_c2_b.jpg\nimages/0002_c1_c.jpg 2\n")
    return {"list": b"images/0001_c1_a.jpg 1\n"}


def _list(data: bytes, folder: Path) -> str:
    words = ("--pattern", "{pid}_c{camid}_{}.jpg", "--query", "list.txt", "--gallery", "rest.txt")
    put(folder, "list.txt", data)
    return command("manifest", folder, folder / "manifest.csv", *words)


def _template(data: bytes, _folder: Path) -> str:
    text, _, name = data.decode("utf-8", "replace").partition("\n")
    return repr(sorted(NameTemplate.parse(text).readings(name)))


def _templates(_folder: Path) -> dict[str, bytes]:
    names = "0002_c1s1_000451_03.jpg", "test/0000/0000_000_01_0303morning_0015_0.jpg", "P0001T04081A0C0F0140.jpg"
    templates = [*PUBLIC_TEMPLATES.values(), "{}{pid}{}x{camid}{}", "{pid}/{}/{camid}{}.jpg"]
    return {f"{number}": f"{text}\n{names[number % 3]}".encode() for number, text in enumerate(templates)}


def _market(folder: Path) -> Path:
    root = folder / "market"
    if not root.is_dir():
        for name, content in _files().items():
            put(root, name, content)
        write_ground_truth(root, none=(0, 1))
    return root


def ground_truth(folder: Path) -> dict[str, bytes]:
    """Lists of the first query's good images, as scipy and MATLAB write them."""
    path = sorted((_market(folder) / "gt_query").glob("*_good.mat"))[0]
    packed = io.BytesIO()
    savemat(packed, {"good_index": loadmat(path)["good_index"]}, do_compression=True)
    return {"plain": path.read_bytes(), "packed": packed.getvalue()}


def _truth(data: bytes, folder: Path) -> str:
    """As the good images of the first query."""
    root = _market(folder)
    path = sorted((root / "gt_query").glob("*_good.mat"))[0]
    path.write_bytes(data)
    with open_collection(root) as dataset:
        return repr(read_ground_truth(dataset))


_WORLD = World(train_pids=0, test_pids=1, pictures_per_camera=1, distractors=0, junk=0)


def _stamps(folder: Path) -> dict[str, bytes]:
    return {"stamp": (render_minimarket(folder / "mini", _WORLD, progress=False) / ".query").read_bytes()}


def _stamped(data: bytes, folder: Path) -> str:
    put(folder, "mini/.query", data)
    root = render_minimarket(folder / "mini", _WORLD, progress=False)
    return digest(*(path.read_bytes() for path in sorted(root.rglob("*.jpg"))))


TARGETS = (
    Target("picture", pictures, _decode, weight=30),
    Target("zip of images", zips, _open(".zip"), weight=8, checked=True),
    Target("zip, packed again", zips, _open(".zip"), ("zip",), weight=8),
    Target("packed tar", _packed_tars, _open(".tar.gz"), weight=8, checked=True),
    Target("tar", _tars, _open(".tar"), weight=5),
    Target("manifest", _manifests, _manifest, ("text",)),
    Target("list of images", _lists, _list, ("text",), weight=5),
    Target("template of names", _templates, _template, ("text",)),
    Target("ground truth", ground_truth, _truth, weight=10),
    Target("stamp of mini-market", _stamps, _stamped, ("text",), weight=SMALL),
)
