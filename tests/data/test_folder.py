"""Folders of images: which files belong where, and every way in which a folder can be wrong."""

import numpy as np
import pytest
from PIL import Image

from unikeras.data.locate import find
from unikeras.data.prepare import prepare
from unikeras.errors import DataError
from unikeras.events import Notice


def picture(path, value, size=(6, 5), mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (size[1], size[0]), value if mode == "L" else (value, 0, 0)).save(path)


@pytest.fixture
def flat(tmp_path):
    root = tmp_path / "animals"
    for label, name in enumerate(["cat", "dog"]):
        for i in range(10):
            picture(root / name / f"{i}.png", 100 * label + i)
    return root


@pytest.fixture
def split(tmp_path):
    root = tmp_path / "split"
    for part, count in (("train", 3), ("test", 2)):
        for label, name in enumerate(["b", "a"]):
            for i in range(count):
                picture(root / part / name / f"{i}.png", 100 * label + i)
    return root


def test_classes_are_sorted_and_split_by_fifths(flat, prepared):
    data = prepared(flat)
    assert data.class_names == ("cat", "dog")
    assert data.input_shape == (6, 5, 1)
    assert np.bincount(data.train.y).tolist() == [8, 8] and np.bincount(data.test.y).tolist() == [2, 2]
    values = np.concatenate([data.train.x[:, 0, 0, 0], data.test.x[:, 0, 0, 0]])
    assert sorted(values.tolist()) == [*range(10), *range(100, 110)]
    assert np.array_equal(data.train.y, data.train.x[:, 0, 0, 0] // 100)


def test_own_test_set_is_kept(split, prepared):
    data = prepared(split)
    assert data.class_names == ("a", "b")
    assert data.train.x[:, 0, 0, 0].tolist() == [100, 101, 102, 0, 1, 2]
    assert data.test.x[:, 0, 0, 0].tolist() == [100, 101, 0, 1] and data.test.y.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("name", ["val", "validation"])
def test_validation_set_serves_as_test_set(split, prepared, name):
    (split / "test").rename(split / name)
    assert len(prepared(split).test.y) == 4


def test_train_alone_is_split(split, prepared):
    (split / "test").rename(split.parent / "elsewhere")
    data = prepared(split)
    assert (len(data.train.y), len(data.test.y)) == (4, 2)


def test_class_called_train_is_a_class(flat, prepared):
    (flat / "cat").rename(flat / "train")
    assert prepared(flat).class_names == ("dog", "train")


def test_one_colour_file_makes_all_rgb(flat, prepared):
    picture(flat / "cat" / "x.png", 9, mode="RGB")
    assert prepared(flat).input_shape == (6, 5, 3)


def test_image_size_unites_sizes(flat, prepared):
    picture(flat / "cat" / "big.png", 9, size=(60, 50))
    assert prepared(flat, size="8x7").input_shape == (8, 7, 1)


def test_other_files_are_left_out_with_a_notice(flat, request_for):
    (flat / "cat" / "labels.csv").write_text("x")
    (flat / "cat" / ".DS_Store").write_text("x")
    events = []
    prepare(request_for(flat), events.append)
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert len(notices) == 1 and "left out 1 files" in notices[0] and "labels.csv" in notices[0]


def test_changed_folder_is_prepared_again(flat, request_for):
    request = request_for(flat)
    prepare(request, lambda event: None)
    assert find(request)
    picture(flat / "cat" / "new.png", 7)
    assert find(request) is None


def test_different_sizes_name_two_files(flat, prepared):
    picture(flat / "dog" / "big.png", 9, size=(60, 50))
    with pytest.raises(DataError, match=r"0\.png has 6x5, .*big\.png has 60x50") as caught:
        prepared(flat)
    assert "--image-size 6x5" in caught.value.cure


def test_corrupt_file_is_named(flat, prepared, request_for, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 5), dtype=np.uint8)).save(flat / "dog" / "bad.png")
    (flat / "dog" / "bad.png").write_bytes((flat / "dog" / "bad.png").read_bytes()[:60])
    with pytest.raises(DataError, match=r"bad\.png can't be read"):
        prepared(flat)
    assert find(request_for(flat)) is None
    assert not list((tmp_path / "cache" / "datasets").glob(".*.tmp-*"))


def test_unknown_test_class_is_named(split, prepared):
    picture(split / "test" / "aa" / "1.png", 5)
    with pytest.raises(DataError, match=r"class 'aa', which the training set lacks") as caught:
        prepared(split)
    assert "Did you mean a?" in caught.value.cure


def test_empty_folder(tmp_path, prepared):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no subfolders, but a classifier needs at least 2 classes"):
        prepared(tmp_path / "empty")


def test_single_class(tmp_path, prepared):
    picture(tmp_path / "one" / "cat" / "1.png", 5)
    with pytest.raises(DataError, match="only the subfolder cat, but a classifier needs at least 2"):
        prepared(tmp_path / "one")


def test_empty_class_is_named(flat, prepared):
    (flat / "emu").mkdir()
    with pytest.raises(DataError, match=r"animals/emu has no images"):
        prepared(flat)


def test_empty_test_set(split, prepared):
    (split / "test").rename(split.parent / "elsewhere")
    (split / "test").mkdir()
    with pytest.raises(DataError, match=r"split/test has no images"):
        prepared(split)


def test_single_images_leave_no_test_sample(tmp_path, prepared):
    for name in ("a", "b"):
        picture(tmp_path / "few" / name / "1.png", 5)
    with pytest.raises(DataError, match="has no test samples"):
        prepared(tmp_path / "few")


def test_missing_folder(tmp_path, request_for):
    with pytest.raises(DataError, match="nope does not exist"):
        find(request_for(tmp_path / "nope"))


def test_file_that_is_no_dataset(tmp_path, request_for):
    (tmp_path / "a.csv").write_text("x")
    with pytest.raises(DataError, match=r"a\.csv is a file"):
        find(request_for(tmp_path / "a.csv"))


def test_relative_folder_is_found_but_not_instead_of_a_tfds_name(flat, request_for, monkeypatch):
    monkeypatch.chdir(flat.parent)
    assert find(request_for("animals")) is None
    flat.rename(flat.parent / "mnist")
    with pytest.raises(DataError, match="'mnist' is not on this machine"):
        find(request_for("mnist"))
    assert find(request_for("./mnist")) is None
