"""osnet_lib.plots.sprite: every picture in its place on the sheet."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from osnet_lib.plots.sprite import make_sprite

SHADES = [(250, 10, 10), (10, 250, 10), (10, 10, 250)]


@pytest.mark.parametrize("number", [1, 3, 41, 100])
def test_pictures_stand_in_rows_in_their_order(number):
    sprite = make_sprite(Image.new("RGB", (64, 128), SHADES[i % 3]) for i in range(number))
    cut = sprite.as_dict()
    head, data = cut["uri"].split(",")
    assert head == "data:image/avif;base64" and base64.b64decode(data) == sprite.data and sprite.count == number
    sheet = np.asarray(Image.open(io.BytesIO(sprite.data)).convert("RGB")).astype(int)
    assert sheet.shape == (-(-number // cut["columns"]) * cut["height"], cut["columns"] * cut["width"], 3)
    for i in range(number):
        x, y = i % cut["columns"] * cut["width"], i // cut["columns"] * cut["height"]
        middle = sheet[y + cut["height"] // 2, x + cut["width"] // 2]
        assert np.abs(middle - SHADES[i % 3]).max() < 60


def test_grey_and_palette_pictures_become_colour():
    assert make_sprite([Image.new("L", (8, 16)), Image.new("P", (8, 16))]).count == 2
