"""The implementations of a model are one model: names, seeded weights, logits, statistics and updates agree."""

from __future__ import annotations

import numpy as np
import pytest
from support import REFERENCE, Probe

from unikeras import model_files

MODELS = model_files.bundled_names()


@pytest.fixture
def pair(backend: str, probe: Probe) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    return probe("models", backend), probe("models", REFERENCE)


@pytest.mark.parametrize("model", MODELS)
def test_names_and_shapes_are_the_canonical_ones(model: str, pair: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]) -> None:
    ours, reference = pair
    for part in ("names", "trainable"):
        assert sorted(ours[f"{model}:{part}"]) == sorted(reference[f"{model}:{part}"])
    states = [name for name in reference if name.startswith(f"{model}:state:")]
    assert [ours[name].shape for name in states] == [reference[name].shape for name in states]


@pytest.mark.parametrize("model", MODELS)
def test_the_same_seed_gives_the_same_initial_weights_to_the_bit(
    model: str, pair: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]
) -> None:
    ours, reference = pair
    assert ours[f"{model}:initial"] == reference[f"{model}:initial"]


@pytest.mark.parametrize("model", MODELS)
def test_logits_losses_statistics_and_updates_agree(
    model: str, pair: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]
) -> None:
    ours, reference = pair
    compared = [name for name in reference if name.startswith(f"{model}:") and reference[name].dtype.kind == "f"]
    assert len(compared) > 10
    for name in compared:
        scale = np.abs(reference[name]).max()
        error = np.abs(ours[name] - reference[name]).max()
        assert error <= 1e-11 * scale + 1e-15, f"{name}: {error:.1e} of {scale:.1e}"


def test_initial_weights_are_the_same_on_every_machine(probe: Probe) -> None:
    reference = probe("models", REFERENCE)
    assert {model: str(reference[f"{model}:initial"]) for model in MODELS} == {
        "cnn": "8564ef9d8469fc321ba53ca692c970d8eacd0e19c3a0bcec33d1b7ff983454a2",
        "mlp": "a094b2635931cf582177adde6b385c328a072f05540b182dfbe6cc17b4aae495",
        "probe": "28acb295e4817f78ae1b35ea05d6fb37861d837565254617d26a98cfb37cf598",
        "resnet8": "479af56a8b24ab2193cd4ae6ad5ccefef84488204c00e9d4ed68f8c42a22f79a",
        "simple-cnn": "3ab5957819cb9f672124e59cc31701fcf227eaafa134ad7ce62f36e4a7516c0e",
    }


def test_a_native_backend_never_imports_keras(backend: str, probe: Probe) -> None:
    modules = set(probe("models", backend)["modules"])
    if backend.startswith("native-"):
        assert not {name for name in modules if name.partition(".")[0] == "keras"}
        assert not {"torch", "tensorflow"} - {backend.removeprefix("native-")} & modules
    else:
        assert "keras" in modules
