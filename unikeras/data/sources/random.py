"""`random:SHAPE:CLASSES:COUNT`: noise of any shape, to measure speed and to try a model out without data."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING, Any

from unikeras.data.request import Request
from unikeras.data.sources import Source
from unikeras.errors import DataError

if TYPE_CHECKING:
    from unikeras.data.writer import SplitWriter, Writer

_RECIPE = 1  # raise when `write` produces other bytes
_PREFIX = "random:"
_FORM = re.compile(r"random:([1-9]\d*(?:x[1-9]\d*)*):([1-9]\d*):([1-9]\d*)")
_TEST_SHARE = 5


@dataclasses.dataclass(frozen=True)
class _Spec:
    shape: tuple[int, ...]
    classes: int
    train: int

    @property
    def test(self) -> int:
        return max(self.classes, self.train // _TEST_SHARE)


class _Random(Source):
    name = "random"
    order = 10

    def accepts(self, request: Request) -> bool:
        return request.name.startswith(_PREFIX) or request.name == "random"

    def identity(self, request: Request) -> dict[str, Any]:
        request.refuse_size("the shape is part of the name")
        return {"recipe": _RECIPE, **dataclasses.asdict(_parse(request.name))}

    def write(self, request: Request, writer: Writer) -> None:
        """Three axes are an image, uint8 uniform over 0 … 255; all else is float32, standard normal. Labels are uniform."""
        import numpy as np

        spec = _parse(request.name)
        writer.start(
            class_names=[str(label) for label in range(spec.classes)],
            shape=spec.shape,
            dtype=np.uint8 if len(spec.shape) == 3 else np.float32,
            train=spec.train,
            test=spec.test,
        )
        _fill(writer.train, 0, spec.train, spec)
        _fill(writer.test, 1, spec.test, spec)


def _fill(split: SplitWriter, key: int, count: int, spec: _Spec) -> None:
    import numpy as np

    from unikeras.data import bits

    size = math.prod(spec.shape)
    values, labels = bits.stream("random x", key), bits.stream("random y", key)
    normal = np.random.Generator(values)
    for start in range(0, count, split.rows):
        rows = min(split.rows, count - start)
        if len(spec.shape) == 3:
            # Whole words for each sample: the bits don't depend on how many samples are drawn at once.
            words = bits.draw(values, rows * math.ceil(size / 8)).astype("<u8")
            x = words.view(np.uint8).reshape(rows, -1)[:, :size]
        else:
            x = normal.standard_normal((rows, size)).astype(np.float32)
        split.append(x.reshape(rows, *spec.shape), bits.below(bits.draw(labels, rows), spec.classes))


def _parse(name: str) -> _Spec:
    match = _FORM.fullmatch(name)
    if not match or int(match[2]) < 2:
        raise DataError(
            f"Random data {name!r} are not understood.",
            cure="The form is random:SHAPE:CLASSES:COUNT with at least 2 classes, such as random:32x32x3:10:1000 for images "
            "or random:32:10:1000 for 32 features.",
        )
    return _Spec(tuple(map(int, match[1].split("x"))), int(match[2]), int(match[3]))


SOURCE = _Random()
