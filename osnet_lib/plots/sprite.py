"""Many small pictures as one: a sheet of thumbnails that a page loads at once and cuts into pieces."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass, field

from PIL import Image

_WIDTH, _HEIGHT = 40, 80  # pixels of a thumbnail
_COLUMNS = 40
_QUALITY = 34  # of AVIF: some 130 bytes a thumbnail


@dataclass(frozen=True)
class Sprite:
    """Thumbnails of `width` x `height` pixels in rows of `columns`, in order, as AVIF."""

    columns: int
    count: int
    data: bytes = field(repr=False)
    width: int = _WIDTH
    height: int = _HEIGHT

    def as_dict(self) -> dict[str, object]:
        """Plain values for a page: the sheet as a data URI, and how to cut it."""
        picture = base64.b64encode(self.data).decode("ascii")
        return {
            "columns": self.columns,
            "width": self.width,
            "height": self.height,
            "uri": f"data:image/avif;base64,{picture}",
        }


def make_sprite(images: Iterable[Image.Image]) -> Sprite:
    """A sheet of thumbnails, one an image; their proportions become those of the network's input."""
    small = [image.convert("RGB").resize((_WIDTH, _HEIGHT), Image.Resampling.LANCZOS) for image in images]
    columns = max(1, min(_COLUMNS, len(small)))
    sheet = Image.new("RGB", (columns * _WIDTH, max(1, -(-len(small) // columns)) * _HEIGHT))
    for i, image in enumerate(small):
        sheet.paste(image, (i % columns * _WIDTH, i // columns * _HEIGHT))
    buffer = io.BytesIO()
    sheet.save(buffer, "AVIF", quality=_QUALITY, speed=6)
    return Sprite(columns, len(small), buffer.getvalue())
