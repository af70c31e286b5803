"""Features made in every wrong way, by code of this file, and the finding that names it; right ones raise no alarm."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from helpers import networks
from helpers.preparations import ONE_STEP, SEVERAL_STEPS
from osnet_lib.core.conditions import SessionFacts
from osnet_lib.datasets.market1501 import open_market1501
from osnet_lib.datasets.preprocess import preprocess
from osnet_lib.diagnosis.fit import NEAR, Fit
from osnet_lib.diagnosis.recompute import diagnose
from osnet_lib.diagnosis.wrong_inputs import RIGHT
from osnet_lib.errors import FeatureError
from osnet_lib.features.store import Features
from osnet_lib.inference.session import open_session
from osnet_lib.network.weights import MINI

# Of square images the two crops are the same, and what is divided by 255 twice is as good as black.
ALIKE = {
    "shorter side": "crop",
    "not normalised, shorter side": "not normalised, crop",
    "divided by 255 twice": "all equal",
}
MADE = {name: prepare for name, prepare in {**ONE_STEP, **SEVERAL_STEPS}.items() if name not in ALIKE}


@cache
def weights(seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    patches = random.normal(size=(3 * 16 * 16, 24)) / 16
    return [array.astype(np.float32) for array in (patches, random.normal(size=24), random.normal(size=(3072, 512)))]


class Network:
    """Two layers of random weights: as picky about its input as a network can be, and quick."""

    input_dtype, batch_size, model = np.dtype(np.float32), None, Path("random.onnx")

    def __init__(self, seed: int = 0, batch_size: int | None = None):
        self.seed, self.batch_size = seed, batch_size
        self.patches, self.offsets, self.head = weights(seed)

    def run(self, batch: np.ndarray) -> np.ndarray:
        assert batch.dtype == np.float32 and batch.shape[1:] == (3, 256, 128)
        assert 1 <= len(batch) <= (self.batch_size or 999)
        patches = batch.reshape(-1, 3, 16, 16, 8, 16).transpose(0, 2, 4, 1, 3, 5).reshape(len(batch), 128, -1)
        return np.maximum(np.tanh(patches @ self.patches + self.offsets).reshape(len(batch), -1) @ self.head, 0)

    def describe(self) -> dict:
        return {"backend": "onnxruntime", "model": self.model.name, "model_sha256": f"{self.seed:064d}"}

    @property
    def facts(self) -> SessionFacts:
        return SessionFacts.read(self.describe())


@dataclass(frozen=True, eq=False)
class Place:
    """A data set with what was right about it."""

    dataset: object
    pictures: list[Image.Image]

    def features(self, session, prepare=preprocess, samples=None) -> Features:
        samples = samples or self.dataset.query
        pictures = self.pictures if samples is self.dataset.query else map(self.dataset.image, samples)
        inputs = np.stack([prepare(picture) for picture in pictures]).astype(np.float32)
        matrix = np.concatenate([session.run(inputs[i : i + 1]) for i in range(len(inputs))])
        return Features(
            np.array([s.name for s in samples]),
            np.array([s.pid for s in samples]),
            np.array([s.camid for s in samples]),
            matrix,
            {"session": session.describe(), "dataset": {"file": self.dataset.path.name, "sha256": self.dataset.digest}},
        )


@pytest.fixture(scope="module")
def place(small_market, tmp_path_factory):
    """The rendered people at 260 x 260 pixels and with noise, so that shrinking and aspect matter."""
    folder = tmp_path_factory.mktemp("large")
    for seed, path in enumerate(sorted(small_market.glob("*/000[1-3]*.jpg"))):
        (folder / path.parent.name).mkdir(exist_ok=True)
        pixels = np.asarray(Image.open(path).resize((260, 260), Image.Resampling.BICUBIC)).astype(int)
        pixels += np.random.default_rng(seed).integers(-60, 60, pixels.shape)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / path.parent.name / path.name, quality=95)
    with open_market1501(folder) as dataset:
        yield Place(dataset, [dataset.image(sample) for sample in dataset.query])


@pytest.fixture(scope="module")
def published_size(small_market):
    """The rendered people at 64 x 128 pixels, as in Market-1501."""
    with open_market1501(small_market) as dataset:
        yield Place(dataset, [dataset.image(sample) for sample in dataset.query])


def wrong(findings):
    return [finding.name for finding in findings if finding.severity == "wrong"]


def only(findings, name):
    assert wrong(findings) == [name]
    return next(finding for finding in findings if finding.name == name)


# ---- how the images were prepared -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed, name", list(enumerate(MADE)))
def test_each_wrong_preprocessing_is_named(place, seed, name):
    session = Network(seed % 3)
    found = diagnose(place.features(session, MADE[name]), place.dataset, session, 4, progress=False)
    assert len(found) == 1
    finding = only(found, name)
    assert finding.text().startswith("These features are those of ") and finding.cure
    assert re.search(r"4 images give them again \(cosine >= (0\.999|1\.000)", finding.evidence)


@pytest.mark.parametrize("name", ["BGR", "normalised twice", "mirrored"])
def test_wrong_preprocessing_in_reduced_precision(place, name):
    session = Network(4)
    features = place.features(session, MADE[name])
    coarse = replace(features, features=np.round(features.features / features.features.max() * 127).astype(np.float32))
    found = diagnose(coarse, place.dataset, session, 8, progress=False)
    only(found, name)
    assert "float16" in [finding.name for finding in found]  # so are small whole numbers


@pytest.mark.parametrize("name", ALIKE)
def test_what_leaves_the_same_images_has_one_name(place, name):
    prepare = {**ONE_STEP, **SEVERAL_STEPS}[name]
    only(diagnose(place.features(Network(0), prepare), place.dataset, Network(0), 4, progress=False), ALIKE[name])


def test_the_shorter_side_at_the_published_size(published_size):
    features = published_size.features(Network(0), ONE_STEP["shorter side"])
    only(diagnose(features, published_size.dataset, Network(0), 4, progress=False), "shorter side")


# ---- nothing fits exactly -------------------------------------------------------------------------------------------


def brighter(image):
    return Image.fromarray((np.asarray(image) * 0.9 + 20).astype(np.uint8))


@pytest.mark.parametrize("name, settled", [("BGR, lying", "channels"), ("BGR", "channels"), ("lying", "layout")])
def test_an_unknown_change_beside_known_ones(published_size, name, settled):
    """The known ones are named as the nearest, with what makes them sure; no other model is blamed."""
    place, session = published_size, Network(0)
    features = place.features(session, lambda image: MADE[name](brighter(image)))
    finding = only(diagnose(features, place.dataset, session, 8, progress=False), "not explained")
    assert finding.what.startswith("These features are not explained; nearest are those of images ")
    assert ("BGR" in finding.what, "lie on their side" in finding.what) == ("BGR" in name, "lying" in name)
    assert "8 of 8 images are nearest to their own feature" in finding.evidence
    assert re.search(rf"done otherwise, .*{settled} no nearer than .*: [0-9.]+", finding.evidence)
    assert "wrong set-ups were tried" in finding.evidence and "stale" not in finding.text()


def test_an_unknown_change_alone(published_size):
    place, session = published_size, Network(0)
    features = place.features(session, lambda image: preprocess(brighter(image)))
    finding = only(diagnose(features, place.dataset, session, 8, progress=False), "not explained")
    assert finding.what.endswith("nearest are those of images prepared as they should be")
    assert "channels no nearer than" in finding.evidence and "layout no nearer than" in finding.evidence


@pytest.mark.parametrize("name", ["BGR", "raw pixels, lying"])
def test_another_model_is_not_taken_for_a_wrong_set_up(published_size, name):
    features = published_size.features(Network(7), MADE[name])
    found = diagnose(features, published_size.dataset, Network(0), 4, progress=False)
    assert "or comes near, nor under another name (nearest: " in only(found, "other model").evidence


class Unrectified(Network):
    """Its last step is left out."""

    def run(self, batch):
        patches = batch.reshape(-1, 3, 16, 16, 8, 16).transpose(0, 2, 4, 1, 3, 5).reshape(len(batch), 128, -1)
        return np.tanh(patches @ self.patches + self.offsets).reshape(len(batch), -1) @ self.head


@pytest.mark.parametrize("name, expected", [(None, ["before the ReLU"]), ("BGR", ["BGR", "before the ReLU"])])
def test_values_before_the_last_step(published_size, name, expected):
    features = published_size.features(Unrectified(0), MADE.get(name, preprocess))
    found = diagnose(features, published_size.dataset, Network(0), 4, progress=False)
    assert wrong(found) == expected and "% of the values are negative" in found[-1].evidence


@pytest.mark.parametrize("shift, name", [(1, "BGR"), (-2, "not normalised")])
def test_two_mistakes_at_once(place, shift, name):
    session = Network(1)
    features = place.features(session, MADE[name])
    features = replace(features, features=np.roll(features.features, shift, axis=0))
    found = diagnose(features, place.dataset, session, 8, progress=False)
    assert wrong(found) == [name, "wrong names"] and f"shifted by {shift:+d} rows" in found[1].evidence


# ---- no false alarm -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", ["place", "published_size"])
def test_right_features_raise_no_alarm(request, seed, size):
    place, session = request.getfixturevalue(size), Network(seed, batch_size=[None, 1, 3][seed % 3])
    for samples in (place.dataset.query, place.dataset.gallery):
        features = place.features(session, samples=samples)
        found = diagnose(features, place.dataset, session, 6, progress=False)
        assert [(f.name, f.severity) for f in found] == [("agrees", "right")]
        assert re.match(r"6 images recomputed: cosine >= (0\.99999|1\.0)", found[0].evidence)


def unit(matrix):
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def coarse(matrix):
    """As int8 weights do: another error for each value."""
    random = np.random.default_rng(1)
    return matrix + (0.1 * matrix.std() * random.normal(size=matrix.shape)).astype(np.float32)


def rough(matrix):
    """As int8 weights do to real images: some are far off, yet nearest to their own feature."""
    matrix = coarse(matrix)
    random = np.random.default_rng(2)
    matrix[::6] += (0.4 * matrix.std() * random.normal(size=matrix[::6].shape)).astype(np.float32)
    return matrix


@pytest.mark.parametrize(
    "change, expected",
    [
        (unit, ["unit length", "agrees"]),
        (lambda m: m * 0.125, ["scaled", "agrees"]),
        (lambda m: m.astype(np.float16).astype(np.float32), ["float16", "agrees"]),
        (lambda m: 10 * unit(m), ["lengths", "agrees"]),
        (lambda m: m * np.linspace(1, 2, len(m), dtype=np.float32)[:, None], ["lengths", "agrees"]),
        (coarse, ["reduced precision"]),
        (rough, ["reduced precision"]),
        (lambda m: m + 1e-6, ["agrees"]),
    ],
)
@pytest.mark.parametrize("seed", range(2))
def test_what_is_harmless_is_said_and_no_alarm(published_size, change, expected, seed):
    place, session = published_size, Network(seed)
    features = place.features(session)
    found = diagnose(replace(features, features=change(features.features)), place.dataset, session, 8, progress=False)
    assert [finding.name for finding in found] == expected and not wrong(found)


def test_what_changed_lengths_is_told(published_size):
    """By how much, how long the features are, and how to compare them."""
    right = published_size.features(Network(0))
    lengths = np.linalg.norm(right.features, axis=1)
    changed = replace(right, features=10 * unit(right.features))
    finding, _ = diagnose(changed, published_size.dataset, Network(0), 18, progress=False)
    assert (
        finding.evidence
        == (
            f"they are {10 / lengths.max():.4g} to {10 / lengths.min():.4g} times as long as the "
            "network gives them, and 10 to 10 long"
        )
        and "compare by cosine" in finding.cure
    )


@pytest.mark.parametrize("share", [1, 0.5])
def test_a_flip_test_is_no_mistake(published_size, share):
    place, session = published_size, Network(2)
    features = place.features(session)
    mirrored = place.features(session, lambda image: preprocess(image)[..., ::-1])
    both = replace(features, features=(share * (features.features + mirrored.features)).astype(np.float32))
    found = diagnose(both, place.dataset, session, 8, progress=False)
    assert [(f.name, f.severity) for f in found] == [("flip-test", "harmless")]


@pytest.mark.parametrize("name", ["no antialiasing", "letterbox", "crop"])
def test_what_changes_nothing_at_the_published_size_is_no_mistake(published_size, name):
    """64 x 128 grows by 2 in both directions: no antialiasing, no bars, nothing to crop."""
    place, session = published_size, Network(3)
    found = diagnose(place.features(session, MADE[name]), place.dataset, session, 8, progress=False)
    assert [finding.name for finding in found] == ["agrees"]


def test_a_converted_model_computes_the_same(published_size):
    features = published_size.features(Network(0))
    features.conditions["session"] |= {"model": "osnet.om", "model_sha256": "e" * 64}
    found = diagnose(features, published_size.dataset, Network(0), 6, progress=False)
    assert [f.name for f in found] == ["agrees"]
    assert "made by osnet.om, which gives the same features within rounding as random.onnx" in found[0].evidence


@pytest.mark.parametrize("names", [lambda names: [name.split(".")[0] for name in names], list])
def test_features_of_other_tools(published_size, names):
    """Stems for names, no conditions, another order."""
    features = published_size.features(Network(0))
    order = np.random.default_rng(0).permutation(len(features))
    features = Features(
        np.array(names(features.names))[order], features.pids[order], features.camids[order], features.features[order]
    )
    assert not wrong(diagnose(features, published_size.dataset, Network(0), 6, progress=False))


# ---- whose features, which model ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "order, words",
    [
        (lambda n: np.roll(np.arange(n), 1), "; all are shifted by +1 rows"),
        (lambda n: np.roll(np.arange(n), -1), "; all are shifted by -1 rows"),
        (lambda n: np.arange(n)[::-1], "; the features are in the reverse order of the names"),
        (lambda n: np.random.default_rng(1).permutation(n), ""),
    ],
)
@pytest.mark.parametrize("seed", range(2))
def test_features_under_the_wrong_names(published_size, seed, order, words):
    session = Network(seed)
    right = published_size.features(session)
    features = replace(right, features=right.features[order(len(right))])
    finding = only(diagnose(features, published_size.dataset, session, 16, progress=False), "wrong names")
    assert finding.evidence.endswith(f"){words}")
    pair = re.search(r"that of (\S+) under (\S+) \(cosine", finding.evidence)
    true, false = (list(right.names).index(name) for name in pair.groups())
    assert np.array_equal(features.features[false], right.features[true]) and true != false


def test_names_in_the_order_of_a_folder(published_size):
    """Features sorted by name, names as os.listdir gave them: the mistake of the guide's own script."""
    session = Network(0)
    right = published_size.features(session)
    order = np.random.default_rng(2).permutation(len(right))
    features = Features(right.names[order], right.pids[order], right.camids[order], right.features)
    finding = only(diagnose(features, published_size.dataset, session, 8, progress=False), "wrong names")
    assert finding.evidence.endswith("the features are in alphabetical order of the images, the names are not")


@pytest.mark.parametrize(
    "file, name, words",
    [
        (
            {"session": {"model": "old.onnx", "model_sha256": "d" * 64}},
            "other model",
            "made by old.onnx (sha256 dddddddd…), here is random.onnx (00000000…)",
        ),
        ({}, "other model", "the file does not say which model made it"),
        ({"session": "?", "dataset": 3}, "other model", "the file does not say which model made it"),
        ("same", "other model", "though the file names this very model, random.onnx"),
        (
            {"dataset": {"file": "old.zip", "sha256": "a" * 64}},
            "other images",
            "made from old.zip with sha256 aaaaaaaa…",
        ),
    ],
)
def test_a_stale_file(published_size, file, name, words):
    stale = published_size.features(Network(10))
    session = Network(0)
    stale = replace(stale, conditions={"session": session.describe()} if file == "same" else file)
    finding = only(diagnose(stale, published_size.dataset, session, 8, progress=False), name)
    assert words in finding.evidence and "8 images recomputed give cosines of" in finding.evidence
    assert "wrong set-ups none gives the features again" in finding.evidence


@pytest.mark.parametrize("stale", [5, 13])  # of 18 rows
def test_rows_of_two_models(published_size, stale):
    session = Network(0)
    matrix = published_size.features(session).features
    matrix[-stale:] = published_size.features(Network(9)).features[-stale:]
    features = replace(published_size.features(session), features=matrix)
    found = diagnose(features, published_size.dataset, session, 18, progress=False)
    finding = only(found, "mixed")
    assert len(found) == 1
    assert f"{stale} of 18 recomputed features are not in the file" in finding.evidence


@pytest.mark.parametrize(
    "own, found, off, lost",
    [
        ("exact", "own", 2, 2),  # the model is exact, so that these rows are of something else
        ("rough", "own", 2, 0),  # the model is rough, as int8 is
        ("rough", "another", 2, 2),  # nearest to the row of another image
        ("rough", "own", 10, 10),  # most are far off: more than int8 does
    ],
)
def test_which_images_are_lost(own, found, off, lost):
    rows, spread = np.arange(16), 0.5
    distance = np.full(16, {"exact": 1e-8, "rough": 0.5 * NEAR}[own])
    distance[:off] = 2 * NEAR
    places = np.where((rows < off) & (found == "another"), rows + 1, rows)
    cosines = 1 - distance * spread / 2
    fit = Fit(RIGHT, rows, places, np.where(places == rows, cosines, 0), cosines, np.ones(16), spread)
    assert fit.lost.sum() == lost and fit.nowhere.sum() == off and not fit.elsewhere.any()


# ---- rows and names -------------------------------------------------------------------------------------------------


def test_labels_that_contradict_the_names(published_size):
    right = published_size.features(Network(0))
    features = replace(right, pids=np.roll(right.pids, 1))
    finding = only(diagnose(features, published_size.dataset, Network(0), 6, progress=False), "labels")
    count = int((features.pids != right.pids).sum())
    assert f"in {count} of {len(right)} rows, the first is {right.names[0]} with pid {right.pids[-1]} " in (
        finding.evidence
    )


@pytest.mark.parametrize("count", [3, 18])
def test_names_that_no_image_has(published_size, count):
    right = published_size.features(Network(0))
    names = np.array([f"9{name[1:]}" if i < count else name for i, name in enumerate(right.names)])
    found = diagnose(replace(right, names=names), published_size.dataset, Network(0), 6, progress=False)
    text = only(found, "unknown images").text()
    assert f"called like {count} of {len(right)} features, the first is {names[0]}" in text
    assert ("agrees" in [f.name for f in found]) == (count < 18)


def test_a_part_of_the_data_set(published_size):
    samples = published_size.dataset.gallery[::3]
    features = published_size.features(Network(0), samples=samples)
    found = diagnose(features, published_size.dataset, Network(0), 6, progress=False)
    assert [f.name for f in found] == ["part", "agrees"]
    missing = len(published_size.dataset.gallery) - len(samples)
    assert f"{missing} of the {len(published_size.dataset.gallery)} gallery images have none" in found[0].evidence


@pytest.mark.parametrize("missing", [0, 4])
def test_junk_of_other_tools(published_size, missing):
    """They extract every image of the folder; that junk has no feature, is as this study has it."""
    data = published_size.dataset
    assert data.junk
    features = published_size.features(Network(0), samples=[*data.gallery[missing:], *data.junk[1:]])
    found = diagnose(features, data, Network(0), 64, progress=False)
    assert [f.name for f in found] == ["part"] * bool(missing) + ["agrees"]
    if missing:
        assert f"{missing} of the {len(data.gallery)} gallery images have none" in found[0].evidence


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_rows_to_recompute_any(published_size, count):
    features = published_size.features(Network(0))
    few = Features(features.names[:count], features.pids[:count], features.camids[:count], features.features[:count])
    found = diagnose(few, published_size.dataset, Network(0), progress=False)
    assert [f.name for f in found] == [["not recomputed", "part"], ["part", "agrees"]][count - 1]
    if count == 1:
        assert "of 1 rows, 1 could be recomputed" in only(found, "not recomputed").evidence


def zeros(matrix):
    matrix[3:5] = 0


def not_finite(matrix):
    matrix[4, 7] = np.inf


def equal(matrix):
    matrix[:] = matrix[0]


def nearly_equal(matrix):
    matrix[:] = matrix[0] * (1 + 1e-4 * np.random.default_rng(0).normal(size=matrix.shape))


def repeated(matrix):
    matrix[-3:] = matrix[-4]


@pytest.mark.parametrize(
    "damage, name, words",
    [
        (zeros, "rows of zeros", "2 of 18 rows are all zero"),
        (not_finite, "not finite", "1 of 18 rows hold NaN"),
        (equal, "all equal", "their spread over 18 images is"),
        (nearly_equal, "all equal", "their spread over 18 images"),
        (repeated, "repeated rows", "3 of 18 rows repeat another"),
    ],
)
def test_damaged_rows(published_size, damage, name, words):
    features = published_size.features(Network(0))
    damage(features.features)
    assert words in only(diagnose(features, published_size.dataset, Network(0), 18, progress=False), name).evidence


def test_the_same_picture_under_two_names_is_no_mistake(small_market, tmp_path):
    folders = {folder: tmp_path / folder for folder in ("query", "bounding_box_test")}
    for folder, target in folders.items():
        target.mkdir()
        for path in (small_market / folder).iterdir():
            (target / path.name).write_bytes(path.read_bytes())
    first, second = sorted(folders["query"].iterdir())[:2]
    second.write_bytes(first.read_bytes())
    with open_market1501(tmp_path) as dataset:
        copied = Place(dataset, [dataset.image(sample) for sample in dataset.query])
        found = diagnose(copied.features(Network(0)), dataset, Network(0), 8, progress=False)
    assert [f.name for f in found] == ["agrees"]


@pytest.mark.parametrize(
    "change, words",
    [({"images": 1}, "images: 1 is not a whole number of 2 or more"), ({"dtype": np.uint8}, "on the device")],
)
def test_what_cannot_be_diagnosed(published_size, change, words):
    session = Network(0)
    features = published_size.features(session)
    session.input_dtype = np.dtype(change.get("dtype", np.float32))
    with pytest.raises(FeatureError, match=words):
        diagnose(features, published_size.dataset, session, change.get("images", 4), progress=False)


# ---- with OSNet itself ----------------------------------------------------------------------------------------------


def test_osnet(published_size):
    torch.set_num_threads(1)
    with open_session(networks.checkpoint_path(), "torch", threads=1) as session:
        right = published_size.features(session)
        found = diagnose(right, published_size.dataset, session, 4, progress=False)
        assert not wrong(found) and found[-1].name == "agrees"
        bgr = published_size.features(session, MADE["BGR"])
        only(diagnose(bgr, published_size.dataset, session, 4, progress=False), "BGR")


def test_the_public_report_with_the_embedded_weights(published_size):
    """OpenCV's BGR, its (width, height), and transpose(2, 1, 0)."""
    torch.set_num_threads(1)
    with open_session(MINI, "torch", threads=1) as session:
        features = published_size.features(session, MADE["BGR, lying"], published_size.dataset.query[:4])
        assert wrong(diagnose(features, published_size.dataset, session, 2, progress=False)) == ["BGR, lying"]


@pytest.mark.market
def test_the_real_checkpoint_on_real_images(market_zip, market_weights):
    """The zoo's x0.25: trained weights that see real images."""
    with open_market1501(market_zip) as dataset, open_session(market_weights, "torch", threads=1) as session:
        samples = dataset.query[::420]
        place = Place(dataset, [])
        right = place.features(session, samples=samples)
        found = diagnose(right, dataset, session, 4, progress=False)
        assert [f.name for f in found] == ["part", "agrees"]
        moved = replace(right, features=np.roll(right.features, 1, axis=0))
        only(diagnose(moved, dataset, session, 4, progress=False), "wrong names")
        bicubic = place.features(session, MADE["bicubic"], samples)
        only(diagnose(bicubic, dataset, session, 4, progress=False), "bicubic")
        for name in ("BGR, raw pixels, lying", "raw pixels, lying"):
            several = place.features(session, MADE[name], samples)
            only(diagnose(several, dataset, session, 4, progress=False), name)
        blurred = place.features(
            session, lambda image: MADE["BGR, lying"](image.filter(ImageFilter.GaussianBlur(0.5))), samples
        )
        finding = only(diagnose(blurred, dataset, session, 4, progress=False), "not explained")
        assert "images in BGR order; 256 wide and 128 high, then transposed" in finding.what
