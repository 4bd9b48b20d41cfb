"""Worker side of TFDS: downloading; the only code of unikeras that uses a network."""

from __future__ import annotations

from pathlib import Path

import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import downloader
from tensorflow_datasets.core.registered import DatasetNotFoundError

from unikeras.errors import DataError

_RETRIES = 5  # TFDS's own 10 let a machine without a network wait for more than three minutes


def download(name: str, target: Path, unknown: DataError) -> None:
    """Download and prepare a TFDS dataset.

    Args:
        name: `name` or `name/config`.
        target: TFDS's data folder.
        unknown: Raised when TFDS has no dataset of that name.

    Raises:
        DataError: There is no such dataset, or it couldn't be downloaded or written.
    """
    downloader.MAX_RETRIES = _RETRIES
    cure = "Check the name and its config against the catalogue of TFDS."
    try:
        builder = tfds.builder(name, data_dir=target)
        cure = "Check the network, or copy a prepared TFDS folder from another machine and name its parent with --data-dir."
        builder.download_and_prepare()
    except DatasetNotFoundError as error:
        raise unknown from error
    except ImportError as error:
        raise _failed(name, target, error, f"Install what this dataset needs: pip install {error.name}.") from error
    except Exception as error:  # every dataset has code and hosts of its own, which may raise anything
        raise _failed(name, target, error, cure) from error


def _failed(name: str, target: Path, error: Exception, cure: str) -> DataError:
    reason = next((line for line in str(error).splitlines() if line.strip()), "no reason given")
    return DataError(f"{name} could not be downloaded into {target}: {type(error).__name__}: {reason}.", cure=cure)
