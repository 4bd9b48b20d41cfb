"""TFDS datasets: found on the disk, read in order, never fetched unasked."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unikeras.data.dataset import Dataset
from unikeras.data.locate import find
from unikeras.data.sources._tfds_folders import catalogue, locate, names_on_disk
from unikeras.errors import DataError

SHARED = Path(__file__).parents[3] / "shared" / "tfds"

# Writes datasets of PNG images in which every pixel is the sample's number and the label that number modulo 3. A size of 0
# stands for sizes that vary. TFDS's own writers of metadata and features, without its download manager.
BUILD = """
import json, sys
from pathlib import Path
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core import example_serializer

for name, (shape, splits, kind) in json.loads(sys.argv[2]).items():
    folder = Path(sys.argv[1], name, "1.0.0")
    folder.mkdir(parents=True)
    fields = {"label": tfds.features.ClassLabel(names=["ant", "bee", "cow"])}
    if kind == "image":
        fields["image"] = tfds.features.Image(shape=[n or None for n in shape], encoding_format="png")
    else:
        fields["text"] = tfds.features.Text()
    features = tfds.features.FeaturesDict(fields)
    serializer = example_serializer.ExampleSerializer(features.get_serialized_info())
    for split, count in splits.items():
        with tf.io.TFRecordWriter(str(folder / f"{name}-{split}.tfrecord-00000-of-00001")) as writer:
            for i in range(count):
                sample = {"label": i % 3}
                if kind == "image":
                    sample["image"] = np.full([n or 4 + i % 3 for n in shape], i, np.uint8)
                else:
                    sample["text"] = "x"
                writer.write(serializer.serialize_example(features.encode_example(sample)))
    infos = [tfds.core.SplitInfo(name=split, shard_lengths=[count], num_bytes=0, filename_template=tfds.core.ShardedFileTemplate(
        data_dir=folder, dataset_name=name, split=split, filetype_suffix="tfrecord")) for split, count in splits.items()]
    tfds.folder_dataset.write_metadata(data_dir=folder, features=features, split_infos=infos, version="1.0.0",
        filename_template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}")
"""
PREPARE = """
import json, sys
from pathlib import Path
from unikeras.data.prepare import fetch, prepare
from unikeras.data.request import Request
from unikeras.errors import DataError

results = []
for name, size in json.loads(sys.argv[3]):
    step = fetch if name.startswith("+") else prepare
    try:
        results.append(str(step(Request(name.lstrip('+'), Path(sys.argv[1]), Path(sys.argv[2]), size), lambda event: None)))
    except DataError as error:
        results.append([error.message, error.cure])
print("RESULT", json.dumps(results))
"""


@pytest.fixture(scope="module")
def tfds_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    wanted = {
        "plain": ([6, 5, 3], {"train": 12, "test": 4}, "image"),
        "held": ([6, 5, 1], {"train": 30}, "image"),
        "checked": ([6, 5, 1], {"train": 12, "validation": 5}, "image"),
        "ragged": ([0, 0, 3], {"train": 12, "test": 4}, "image"),
        "words": ([1], {"train": 3, "test": 3}, "text"),
        "testonly": ([6, 5, 1], {"test": 4}, "image"),
        "broken": ([6, 5, 1], {"train": 12, "test": 4}, "image"),
    }
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder), json.dumps(wanted)],
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    record = next((folder / "broken" / "1.0.0").glob("*train*"))
    content = bytearray(record.read_bytes())
    content[40] ^= 1
    record.write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def results(tfds_dir, tmp_path_factory):
    """Everything prepared in one process, for importing TensorFlow takes seconds: {(name, size): folder or error}."""
    wanted = [
        *(("plain", None), ("plain", "8x7"), ("held", None), ("checked", None), ("ragged", "6"), ("ragged", None)),
        *(
            ("words", None),
            ("testonly", None),
            ("broken", None),
            ("+digits", None),
            ("+plain", None),
            ("+nonesuch", None),
            ("+mnist", None),
        ),
    ]
    arguments = [str(tfds_dir), str(tmp_path_factory.mktemp("cache")), json.dumps(wanted)]
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "",
    }
    environment |= {
        "https_proxy": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }  # nobody answers: no test reaches out
    done = subprocess.run(
        [sys.executable, "-c", PREPARE, *arguments], env=environment, text=True, capture_output=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return dict(zip(wanted, json.loads(line.removeprefix("RESULT ")), strict=True))


def opened(results, name, size=None):
    return Dataset.open(Path(results[name, size]))


def test_images_labels_and_names_arrive_in_order(results):
    data = opened(results, "plain")
    assert data.class_names == ("ant", "bee", "cow") and data.input_shape == (6, 5, 3)
    assert np.array_equal(data.train.x, np.broadcast_to(np.arange(12).reshape(-1, 1, 1, 1), (12, 6, 5, 3)))
    assert data.train.y.tolist() == [i % 3 for i in range(12)] and data.test.y.tolist() == [0, 1, 2, 0]


def test_image_size_resizes(results):
    data = opened(results, "plain", "8x7")
    assert data.input_shape == (8, 7, 3) and data.train.x[:, 7, 6, 0].tolist() == list(range(12))


def test_training_set_alone_is_split_by_fifths(results):
    data = opened(results, "held")
    assert np.bincount(data.test.y).tolist() == [2, 2, 2] and np.bincount(data.train.y).tolist() == [8, 8, 8]
    pixels = np.concatenate([data.train.x[:, 0, 0, 0], data.test.x[:, 0, 0, 0]])
    assert sorted(pixels.tolist()) == list(range(30))
    assert np.array_equal(data.train.x[:, 0, 0, 0] % 3, data.train.y) and np.array_equal(data.test.x[:, 0, 0, 0] % 3, data.test.y)


def test_validation_split_serves_as_test_set(results):
    assert len(opened(results, "checked").test.y) == 5


def test_images_of_varying_size_need_an_image_size(results):
    message, cure = results["ragged", None]
    assert "vary in size" in message and "--image-size" in cure
    data = opened(results, "ragged", "6")
    assert data.input_shape == (6, 6, 3) and data.train.x[:, 0, 0, 0].tolist() == list(range(12))


def test_dataset_without_images_says_its_features(results):
    message, _ = results["words", None]
    assert "not one of images" in message and "text (Text)" in message and "label (ClassLabel)" in message


def test_dataset_without_a_training_split(results):
    assert "no training split, only test" in results["testonly", None][0]


def test_broken_record_is_reported(results, tfds_dir):
    message, cure = results["broken", None]
    assert f"TFDS can't read {tfds_dir / 'broken' / '1.0.0'}: " in message and "\n" not in message and cure


def test_fetching_what_is_here_needs_no_network(results):
    assert opened(results, "+digits").class_names[0] == "0"
    assert results["+plain", None] == results["plain", None]


def test_fetching_an_unknown_name(results):
    message, cure = results["+nonesuch", None]
    assert message == "Unknown dataset 'nonesuch'." and "Allowed: digits" in cure


def test_failed_download_gives_the_reason_in_one_line(results, tfds_dir):
    message, cure = results["+mnist", None]
    assert message.startswith(f"mnist could not be downloaded into {tfds_dir}: ") and "\n" not in message
    assert "Check the network" in cure or "pip install" in cure


def test_newest_version_wins(tmp_path):
    for version in ("9.0.0", "10.0.0", "10.0.0.incompleteX"):
        (tmp_path / "d" / version).mkdir(parents=True)
        (tmp_path / "d" / version / "dataset_info.json").write_text("{}")
    assert locate("d", tmp_path) == tmp_path / "d" / "10.0.0"


def test_configs(tmp_path, request_for):
    for config in ("one", "two"):
        (tmp_path / "d" / config / "1.0.0").mkdir(parents=True)
        (tmp_path / "d" / config / "1.0.0" / "dataset_info.json").write_text("{}")
    assert locate("d/two", tmp_path) == tmp_path / "d" / "two" / "1.0.0"
    assert set(names_on_disk(tmp_path)) == {"d/one", "d/two"}
    with pytest.raises(DataError, match="several configs") as caught:
        find(request_for("d", data_dir=tmp_path))
    assert "d/one, d/two" in caught.value.cure


def test_environment_is_searched_after_data_dir(tmp_path, monkeypatch):
    for place in ("a", "b"):
        (tmp_path / place / "d" / "1.0.0").mkdir(parents=True)
        (tmp_path / place / "d" / "1.0.0" / "dataset_info.json").write_text("{}")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "b"))
    assert locate("d", None) == tmp_path / "b" / "d" / "1.0.0"
    assert locate("d", tmp_path / "a") == tmp_path / "a" / "d" / "1.0.0"


def test_known_dataset_that_is_not_there_says_where_it_looked(request_for, tmp_path):
    with pytest.raises(DataError, match="'mnist' is not on this machine") as caught:
        find(request_for("mnist", data_dir=tmp_path / "mine"))
    for folder in ("mine", "no-tfds", "tensorflow_datasets"):
        assert str(tmp_path / folder) in caught.value.message
    assert "unikeras data prepare mnist --download" in caught.value.cure


@pytest.mark.parametrize(
    ("name", "hint"), [("digit", "digits"), ("cifar1O", "cifar10"), ("MNIST2", "mnist"), ("fashion-mnist", "fashion_mnist")]
)
def test_misspelt_name_gets_a_hint(request_for, name, hint):
    with pytest.raises(DataError, match=f"Unknown dataset '{name}'") as caught:
        find(request_for(name))
    assert f"Did you mean {hint}" in caught.value.cure or f" or {hint}" in caught.value.cure


@pytest.mark.parametrize("name", ["", "../x/../../..", "a/b/c", "no such thing"])
def test_odd_names_are_refused(request_for, name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError):
        find(request_for(name))


def test_catalogue_knows_the_usual_datasets():
    assert {"cifar10", "cifar100", "mnist", "fashion_mnist", "imagenette", "food101", "svhn_cropped"} <= catalogue()


@pytest.mark.skipif(not (SHARED / "cifar10").is_dir(), reason="CIFAR-10 is not beside the repository")
def test_cifar10(python, tmp_path):
    done = python(PREPARE, SHARED, tmp_path / "cache", json.dumps([("cifar10", None)]))
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    data = Dataset.open(Path(json.loads(line.removeprefix("RESULT "))[0]))
    assert data.train.x.shape == (50_000, 32, 32, 3) and data.test.x.shape == (10_000, 32, 32, 3)
    assert data.class_names[:3] == ("airplane", "automobile", "bird")
    assert np.bincount(data.train.y).tolist() == [5000] * 10
    np.testing.assert_allclose(data.statistics["mean"], np.mean(data.train.x, axis=(0, 1, 2)), rtol=1e-12)
