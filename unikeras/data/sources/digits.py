"""`digits`: 1,797 handwritten digits that come with scikit-learn; the default, for it needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from unikeras.data.request import Request
from unikeras.data.sources import Source

if TYPE_CHECKING:
    from unikeras.data.writer import Writer

_RECIPE = 1  # raise when `write` produces other bytes
_SIZE = (32, 32)
_DARKEST = 16  # scikit-learn's values are 0 … 16


class _Digits(Source):
    name = "digits"
    order = 10

    def accepts(self, request: Request) -> bool:
        return request.name == "digits"

    def identity(self, request: Request) -> dict[str, Any]:
        return {"recipe": _RECIPE}

    def listing(self, data_dir: Path | None) -> list[tuple[str, str]]:
        return [("digits", "built in")]

    def write(self, request: Request, writer: Writer) -> None:
        """8x8 pixels are scaled to 0 … 255 and to 32x32x1 or the image size; a fifth of each class is the test set."""
        import numpy as np
        from sklearn.datasets import load_digits

        from unikeras.data.images import resize
        from unikeras.data.splits import held_out

        bunch = load_digits()
        small = np.rint(bunch.images * (255 / _DARKEST)).astype(np.uint8)
        size = request.size or _SIZE
        images = np.stack([resize(image[..., None], *size) for image in small])
        labels = bunch.target.astype(np.int64)
        test = held_out(labels)
        writer.start(
            class_names=[str(digit) for digit in range(10)],
            shape=(*size, 1),
            dtype=np.uint8,
            train=int((~test).sum()),
            test=int(test.sum()),
        )
        writer.train.append(images[~test], labels[~test])
        writer.test.append(images[test], labels[test])


SOURCE = _Digits()
