"""Preprocessing against values worked out by hand and against torchvision's arithmetic; the streaming loader."""

from __future__ import annotations

import gc
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image

from osnet_lib.datasets.market1501 import Sample, open_market1501
from osnet_lib.datasets.preprocess import HEIGHT, MEAN, STD, WIDTH, iter_batches, preprocess, to_uint8
from osnet_lib.errors import DatasetError


def torchvision_transform(image: Image.Image) -> torch.Tensor:
    """Resize((256, 128)), ToTensor(), Normalize(MEAN, STD) as torchvision applies them to a Pillow image.

    functional_pil.resize calls ``img.resize(size[::-1], BILINEAR)``; to_tensor ``permute((2, 0, 1)).contiguous()``,
    ``to(float32).div(255)``; normalize ``sub_(mean).div_(std)`` with both ``as_tensor(float32)``, ``view(-1, 1, 1)``.
    """
    resized = image.convert("RGB").resize((128, 256), Image.BILINEAR)
    tensor = torch.from_numpy(np.array(resized, copy=True)).permute((2, 0, 1)).contiguous()
    tensor = tensor.to(dtype=torch.float32).div(255)
    mean = torch.as_tensor([0.485, 0.456, 0.406], dtype=torch.float32).view(-1, 1, 1)
    std = torch.as_tensor([0.229, 0.224, 0.225], dtype=torch.float32).view(-1, 1, 1)
    return tensor.sub_(mean).div_(std)


def same_bits(ours: np.ndarray, theirs: torch.Tensor) -> bool:
    return ours.dtype == np.float32 and np.array_equal(ours.view(np.uint32), theirs.numpy().view(np.uint32))


# ---- one image, by hand ---------------------------------------------------------------------------------------------


def test_one_pixel_by_hand():
    # A single pixel stays what it is at any size, so every output is (value / 255 - mean) / std:
    #   red   255: (1.0        - 0.485) / 0.229 =  0.515      / 0.229 =  2.248908
    #   green   0: (0.0        - 0.456) / 0.224 = -0.456      / 0.224 = -2.035714
    #   blue  128: (0.50196078 - 0.406) / 0.225 =  0.09596078 / 0.225 =  0.426492
    image = Image.new("RGB", (1, 1), (255, 0, 128))
    result = preprocess(image)
    assert result.shape == (3, 256, 128) and result.dtype == np.float32 and result.flags.c_contiguous
    for channel, value in zip(result, (2.248908, -2.035714, 0.426492)):
        assert np.ptp(channel) == 0 and channel[0, 0] == pytest.approx(value, abs=1e-6)


def test_enlarging_by_hand():
    # Two pixels wide, 0 then 255, enlarged 64 times. Output column j looks at (j + 0.5) / 64 of the input, whose pixel
    # centres are 0.5 and 1.5; the right pixel weighs t = (j + 0.5) / 64 - 0.5, held within 0 and 1:
    #   j = 31: t < 0      -> 0        j = 32: t = 0.0078125 -> 1.99 -> 2      j = 63: t = 0.4921875 -> 125.51 -> 126
    #   j = 64: t = 0.5078125 -> 129.49 -> 129      j = 95: t = 0.9921875 -> 253.01 -> 253      j = 96: t > 1 -> 255
    image = Image.new("RGB", (2, 1))
    image.putpixel((1, 0), (255, 255, 255))
    pixels = to_uint8(image)
    assert pixels.shape == (256, 128, 3) and pixels.dtype == np.uint8
    columns = {0: 0, 31: 0, 32: 2, 63: 126, 64: 129, 95: 253, 96: 255, 127: 255}
    assert {j: int(pixels[0, j, 0]) for j in columns} == columns
    assert (pixels == pixels[:1, :, :1]).all()  # all rows and channels alike
    # j = 63, red: 126 / 255 = 0.49411765; (0.49411765 - 0.485) / 0.229 = 0.00911765 / 0.229 = 0.039815
    assert preprocess(image)[0, 7, 63] == pytest.approx(0.039815, abs=1e-6)


def test_shrinking_by_hand():
    # 256 wide, black but for column 100, halved. The triangle is as wide as two output pixels: output j has its centre
    # at 2 j + 1, and the inputs at distance 0.5 and 1.5 on either side weigh 0.75 and 0.25, of 2 in all.
    #   column 100 has its centre at 100.5: from j = 49 (99) it is 1.5 away -> 255 * 0.125 = 31.875 -> 32
    #                                       from j = 50 (101)       0.5     -> 255 * 0.375 = 95.625 -> 96
    # Without antialiasing both would be wrong: 255 / 2 at j = 50, nothing at j = 49.
    image = Image.new("RGB", (256, 256))
    image.paste((255, 255, 255), (100, 0, 101, 256))
    assert to_uint8(image)[10, 48:52, 1].tolist() == [0, 32, 96, 0]


# ---- against torchvision --------------------------------------------------------------------------------------------


def test_constants():
    assert (HEIGHT, WIDTH, MEAN, STD) == (256, 128, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_every_value_of_every_channel_has_torchvisions_bits():
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None, None], (256, 128, 3))
    image = Image.fromarray(np.ascontiguousarray(ramp))
    assert np.array_equal(to_uint8(image), ramp)  # already 256x128: nothing is resampled
    assert same_bits(preprocess(image), torchvision_transform(image))


@pytest.mark.parametrize("size", [(64, 128), (128, 256), (1, 1), (37, 91), (300, 500), (500, 20)])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "CMYK"])
def test_random_images_have_torchvisions_bits(size, mode):
    bands = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(sum(size)).integers(0, 256, (size[1], size[0], bands), dtype=np.uint8)
    image = Image.frombytes(mode, size, pixels.tobytes())
    before = image.tobytes()
    assert same_bits(preprocess(image), torchvision_transform(image))
    assert image.tobytes() == before


def test_half_the_size_is_doubled_as_pillow_does_for_every_two_neighbours():
    pairs = np.stack(np.meshgrid(*2 * [np.arange(256, dtype=np.uint8)]), axis=-1)  # 65,536 of them
    for pixels in np.moveaxis(np.resize(pairs, (6, 3, 128, 64)), 1, -1):
        image = Image.fromarray(np.ascontiguousarray(pixels))
        assert same_bits(preprocess(image), torchvision_transform(image))


def test_writes_into_a_row_of_a_batch():
    image = Image.new("RGB", (3, 5), (10, 20, 30))
    batch = np.zeros((2, 3, 256, 128), np.float32)
    result = preprocess(image, out=batch[1])
    assert np.shares_memory(result, batch) and np.array_equal(batch[1], preprocess(image)) and not batch[0].any()


def test_to_uint8_is_the_callers_own():
    pixels = to_uint8(Image.new("RGB", (2, 2)))
    pixels[0, 0] = 9
    assert pixels.flags.writeable and pixels.flags.c_contiguous


# ---- the loader -----------------------------------------------------------------------------------------------------


class Colours:
    """A data set in memory: image `i` is of the colour (i, 0, 0); counts what was decoded, fails where told to."""

    def __init__(self, fail_at: int | None = None):
        self.fail_at, self.decoded, self.lock = fail_at, 0, threading.Lock()

    def image(self, sample: Sample) -> Image.Image:
        if sample.frame == self.fail_at:
            raise DatasetError("is a damaged JPEG", where=sample.name)
        time.sleep(0.002 if sample.frame % 3 == 0 else 0)  # let later images finish first
        with self.lock:
            self.decoded += 1
        return Image.new("RGB", (4, 8), (sample.frame, 0, 0))


def samples(count: int) -> list[Sample]:
    return [Sample(f"0001_c1s1_{i:06d}_00.jpg", 1, 1, 1, i, 0, "query") for i in range(count)]


def decoders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


@pytest.mark.parametrize(
    "count, batch_size, threads",
    [
        (0, 4, 2),
        (1, 4, 2),
        (8, 4, 2),
        (21, 4, 3),
        (21, 1, 4),
        (5, 64, 2),
        (10, 3, 1),
        (9, 2, None),
    ],
)
def test_batches_come_in_order_and_the_last_is_shorter(count, batch_size, threads):
    batches = list(iter_batches(Colours(), samples(count), batch_size, threads))
    expected = [batch_size] * (count // batch_size) + [count % batch_size] * (count % batch_size > 0)
    assert [len(batch) for batch, _ in batches] == expected
    assert [sample for batch, _ in batches for sample in batch] == samples(count)
    for batch, images in batches:
        assert images.shape == (len(batch), 3, 256, 128) and images.dtype == np.float32 and images.flags.c_contiguous
        for sample, image in zip(batch, images):
            assert np.array_equal(image, preprocess(Image.new("RGB", (1, 1), (sample.frame, 0, 0))))
    assert not decoders()


def test_accepts_any_iterable_of_samples():
    assert sum(len(batch) for batch, _ in iter_batches(Colours(), (sample for sample in samples(5)), 2)) == 5


@pytest.mark.parametrize("batch_size, threads, ahead", [(4, 2, 8), (1, 3, 6), (16, 4, 32)])
def test_decodes_ahead_but_not_far(batch_size, threads, ahead):
    data = Colours()
    seen = 0
    for batch, _ in iter_batches(data, samples(120), batch_size, threads):
        seen += len(batch)
        deadline = time.monotonic() + 60
        while data.decoded < min(seen + ahead, 120) and time.monotonic() < deadline:
            time.sleep(0.001)  # it does work while the consumer is busy ...
        assert data.decoded == min(seen + ahead, 120)
        if seen < 3 * batch_size:
            time.sleep(0.05)
            assert data.decoded == seen + ahead  # ... and then waits for it
    assert seen == 120


def test_starts_nothing_before_the_first_batch_is_asked_for():
    data = Colours()
    batches = iter_batches(data, samples(8), 4, 2)
    assert data.decoded == 0 and not decoders()
    batches.close()


@pytest.mark.parametrize("stop", ["break", "close", "raise", "forget"])
def test_an_early_stop_ends_the_threads(stop):
    data = Colours()
    batches = iter_batches(data, samples(120), 4, 2)
    next(batches)
    assert decoders()
    if stop == "break":
        for _ in batches:
            break
        batches.close()
    elif stop == "close":
        batches.close()
    elif stop == "raise":
        with pytest.raises(ZeroDivisionError):
            batches.throw(ZeroDivisionError())
    else:
        del batches
        gc.collect()
    assert not decoders() and data.decoded < 30


@pytest.mark.parametrize("fail_at, whole_batches", [(0, 0), (9, 2), (20, 5)])
def test_an_error_reaches_the_consumer_at_its_batch(fail_at, whole_batches):
    seen = 0
    with pytest.raises(DatasetError, match=f"0001_c1s1_{fail_at:06d}_00.jpg: is a damaged JPEG"):
        for _ in iter_batches(Colours(fail_at), samples(21), 4, 2):
            seen += 1
    assert seen == whole_batches and not decoders()


def test_a_truncated_file_is_named(tiny_market):
    root = tiny_market()
    with open_market1501(root) as data:
        file = root / "query" / data.query[2].name
        file.write_bytes(file.read_bytes()[:-30])
        with pytest.raises(DatasetError, match=f"{file}: is a damaged or truncated JPEG"):
            list(iter_batches(data, data.query, 2))


@pytest.mark.parametrize(
    "arguments, name",
    [
        ((0,), "batch_size"),
        ((-1,), "batch_size"),
        ((2.5,), "batch_size"),
        ((True,), "batch_size"),
        (("8",), "batch_size"),
        ((8, 0), "threads"),
    ],
)
def test_refuses_counts_at_the_call(arguments, name):
    with pytest.raises(DatasetError, match=f"^{name}: .* is not a whole number from 1 to "):
        iter_batches(Colours(), samples(3), *arguments)


@pytest.mark.parametrize("zipped", [False, True])
def test_loads_a_data_set(tiny_market, pack, zipped):
    root = tiny_market()
    with open_market1501(pack(root) if zipped else root) as data:
        batches = list(iter_batches(data, data.gallery, 4, 3))
        assert [sample for batch, _ in batches for sample in batch] == list(data.gallery)
        for sample, image in ((sample, image) for batch, images in batches for sample, image in zip(batch, images)):
            with Image.open(root / "bounding_box_test" / sample.name) as picture:
                assert same_bits(image, torchvision_transform(picture))


def test_real_images_have_torchvisions_bits(market_zip):
    with open_market1501(market_zip) as data:
        chosen = data.query[::400] + data.gallery[::2000]
        for batch, images in iter_batches(data, chosen, 8, 2):
            for sample, image in zip(batch, images):
                assert same_bits(image, torchvision_transform(data.image(sample)))


@pytest.mark.parametrize("dtype", [np.float16, np.uint8, np.dtype("float32")])
def test_batches_in_the_dtype_of_a_session(tiny_market, dtype):
    with open_market1501(tiny_market()) as data:
        batches = list(iter_batches(data, data.query, 2, 2, dtype))
        single = {np.dtype(np.uint8): to_uint8}.get(np.dtype(dtype), preprocess)
        expected = np.stack([single(data.image(sample)) for sample in data.query]).astype(dtype)
    got = np.concatenate([images for _, images in batches])
    assert got.dtype == dtype and got.shape == ((3, 256, 128, 3) if dtype == np.uint8 else (3, 3, 256, 128))
    np.testing.assert_array_equal(got, expected)
