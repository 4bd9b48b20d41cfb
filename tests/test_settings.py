"""Settings: one list of names and ranges, four sources in a fixed order, and every mistake named with its cure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unikeras.errors import SettingsError
from unikeras.settings import FIELDS, Settings, allowed, resolve


def test_later_sources_win(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("epochs: 2\nbatch-size: 8\nlearning_rate: 1e-2\n")
    environment = {"UNIKERAS_BATCH_SIZE": "16", "UNIKERAS_LEARNING_RATE": "0.02", "HOME": "/", "UNIKERAS_SEED": ""}
    settings = resolve({"learning_rate": "0.03"}, config, environment)
    assert (settings.epochs, settings.batch_size, settings.learning_rate) == (2, 16, 0.03)
    assert (settings.seed, settings.optimizer) == (0, "adam")


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"epochs": "0"}, "--epochs can't be '0'.", "a whole number ≥ 1"),
    ({"epochs": "many"}, "--epochs can't be 'many'.", "a whole number ≥ 1"),
    ({"epochs": 1.5}, "--epochs can't be 1.5.", "a whole number ≥ 1"),
    ({"learning_rate": "-1"}, "--learning-rate can't be '-1'.", "a number > 0"),
    ({"learning_rate": "nan"}, "--learning-rate can't be 'nan'.", "a number > 0"),
    ({"learning_rate": "inf"}, "--learning-rate can't be 'inf'.", "a number > 0"),
    ({"label_smoothing": 1}, "--label-smoothing can't be 1.", "a number ≥ 0 and < 1"),
    ({"optimizer": "adm"}, "--optimizer can't be 'adm'.", "adam"),
    ({"dtype": "float16"}, "--dtype can't be 'float16'.", "float32, mixed_bfloat16, float64"),
    ({"weight_decay": -0.1}, "--weight-decay can't be -0.1.", "or leave it out"),
    ({"epoch": 3}, "Unknown setting --epoch.", "Did you mean epochs?"),
    ({"lerning_rate": 3}, "Unknown setting --lerning-rate.", "Did you mean learning_rate"),
]


@pytest.mark.parametrize(("options", "message", "cure"), WRONG, ids=lambda value: str(value)[:30])
def test_what_is_not_allowed_is_refused_with_what_is(options: dict[str, Any], message: str, cure: str) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve(options, environment={})
    assert caught.value.message == message
    assert cure in caught.value.cure
    assert caught.value.exit_code == 2


def test_a_message_names_the_source_of_the_value(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("epochs: none\n")
    with pytest.raises(SettingsError, match=r"epochs in .*c\.yaml can't be 'none'"):
        resolve({}, config, {})
    with pytest.raises(SettingsError, match="UNIKERAS_EPOCHS can't be 'x'"):
        resolve({}, None, {"UNIKERAS_EPOCHS": "x"})
    with pytest.raises(SettingsError, match="Unknown setting UNIKERAS_EPOCS"):
        resolve({}, None, {"UNIKERAS_EPOCS": "3"})


@pytest.mark.parametrize("content", ["- 1\n", "a: b: c\n", "\tx: 1\n", "epochs: [1\n"])
def test_a_configuration_that_is_no_mapping_is_refused(content: str, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(content)
    with pytest.raises(SettingsError, match=r"c\.yaml"):
        resolve({}, config, {})


def test_a_configuration_can_not_run_code(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"epochs: !!python/object/apply:pathlib.Path.touch [{tmp_path / 'hacked'}]\n")
    with pytest.raises(SettingsError):
        resolve({}, config, {})
    assert not (tmp_path / "hacked").exists()


def test_an_empty_configuration_means_the_defaults(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("# nothing yet\n")
    assert resolve({}, config, {}) == Settings()


def test_every_setting_has_help_and_says_what_it_takes() -> None:
    for name, field in FIELDS.items():
        assert field.metadata["help"].endswith((".", "…")), name
        assert allowed(name), name


def test_settings_cross_the_process_boundary_unchanged() -> None:
    settings = resolve({"output": "x", "weight_decay": "0.1", "model": "cnn"}, None, {})
    values = settings.to_dict()
    assert resolve(values, None, {}) == settings
