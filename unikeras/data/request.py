"""Which dataset is wanted and where to look for it: the one value that both processes share."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from unikeras.errors import DataError

_SIZE = re.compile(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?")


@dataclasses.dataclass(frozen=True)
class Request:
    """A dataset as the user named it.

    Attributes:
        name: `digits`, a TFDS name, a folder, an `.npz` file or `random:SHAPE:CLASSES:COUNT`.
        data_dir: Where TFDS datasets are searched first; None: only `TFDS_DATA_DIR` and `~/tensorflow_datasets`.
        cache_dir: Where prepared arrays are kept; None: the user's cache folder.
        image_size: Pixels, `64` or `48x64` (height x width); None: the images' own size.

    Raises:
        DataError: The image size isn't of that form.
    """

    name: str
    data_dir: Path | None
    cache_dir: Path | None
    image_size: str | None

    def __post_init__(self) -> None:
        if self.image_size is not None and not _SIZE.fullmatch(self.image_size):
            raise DataError(
                f"Image size {self.image_size!r} is not understood.",
                cure="Allowed: one number of pixels such as 64, or height x width such as 48x64.",
            )

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) in pixels, or None for the images' own size."""
        match = _SIZE.fullmatch(self.image_size or "")
        return (int(match[1]), int(match[2] or match[1])) if match else None

    def refuse_size(self, reason: str) -> None:
        """For sources whose shape is given: an image size that was asked for all the same is an error."""
        if self.image_size is not None:
            raise DataError(f"Image size {self.image_size!r} can't be used with {self.name}: {reason}.", cure="Leave it out.")

    def to_dict(self) -> dict[str, str | None]:
        """The request as JSON values."""
        return {
            "name": self.name,
            "data_dir": None if self.data_dir is None else str(self.data_dir),
            "cache_dir": None if self.cache_dir is None else str(self.cache_dir),
            "image_size": self.image_size,
        }

    @staticmethod
    def from_dict(fields: dict[str, str | None]) -> Request:
        """The request that `to_dict` described."""
        data_dir, cache_dir = fields["data_dir"], fields["cache_dir"]
        return Request(
            name=fields["name"] or "",
            data_dir=None if data_dir is None else Path(data_dir),
            cache_dir=None if cache_dir is None else Path(cache_dir),
            image_size=fields["image_size"],
        )
