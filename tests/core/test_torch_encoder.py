from __future__ import annotations

import numpy as np
import pytest
import torch

from medpipe.core.ecg.cosine import MEAN_OF_UNITS, unit
from medpipe.core.ecg.encoders import open_encoder
from medpipe.core.ecg.torch_encoder import TorchEncoder
from medpipe.core.errors import InputError, ModelError


def windows(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(seed).random((count, 12, 5000), np.float32)
    return x, np.ones((count, 12), bool)


@pytest.mark.parametrize("arch", ["merl-resnet18", "merl-vit-tiny"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_window_does_not_depend_on_its_neighbours(arch: str, batch_size: int) -> None:
    encoder = open_encoder("", arch=arch, init="random", batch_size=batch_size)
    x, present = windows(4)
    together = encoder.encode(x, present)
    for row in range(4):
        alone = encoder.encode(x[row : row + 1], present[:1])[0]
        np.testing.assert_allclose(together[row], alone, atol=0 if batch_size == 1 else 1e-6)
    other, _ = windows(4, seed=1)
    other[1] = x[1]
    np.testing.assert_array_equal(encoder.encode(other, present)[1], together[1])


def test_every_batch_has_the_same_shape() -> None:
    encoder = open_encoder("smoke", batch_size=4)
    assert isinstance(encoder, TorchEncoder)
    shapes: list[tuple[int, ...]] = []
    encoder._network.register_forward_pre_hook(lambda _, args: shapes.append(tuple(args[0].shape)))
    x, present = windows(7)
    present[2:4, 3:] = False
    assert encoder.encode(x, present).shape == (7, encoder.dim)
    assert set(shapes) == {(4, 12, 5000)}


def test_tokens_have_a_place_each() -> None:
    for arch, count, width in (("merl-resnet18", 313, 512), ("merl-vit-tiny", 100, 192)):
        encoder = open_encoder("", arch=arch, init="random")
        x, present = windows(2)
        tokens = encoder.tokens(x, present)
        assert [part.shape for part in tokens] == [(count, width)] * 2
        assert encoder.token_places(present[0]) == [(None, step) for step in range(count)]


def test_a_mean_of_unit_vectors_scores_the_mean_of_cosines() -> None:
    encoder = open_encoder("smoke")
    x, present = windows(3)
    made = encoder.encode(x, present)
    scorer = encoder.scorer(["atrial fibrillation", "normal"])
    each = np.mean([scorer.score(one, None) for one in made], axis=0)
    assert encoder.pooling == MEAN_OF_UNITS
    np.testing.assert_allclose(scorer.score(encoder.pool(made), encoder.pooling), each, atol=1e-6)
    np.testing.assert_allclose(encoder.pool(made), unit(made).mean(axis=0), atol=1e-6)


def test_features_pool_by_their_mean_and_do_not_score() -> None:
    encoder = open_encoder("", arch="merl-vit-tiny", init="random")
    made = encoder.encode(*windows(2))
    assert encoder.pooling == "mean"
    np.testing.assert_allclose(encoder.pool(made), made.mean(axis=0), atol=1e-6)
    with pytest.raises(ModelError, match=r"res18_best_ckpt\.pth"):
        encoder.scorer(["normal"])
    with pytest.raises(ModelError, match="kmerl-vit-tiny has no text side"):
        open_encoder("", arch="kmerl-vit-tiny", init="random").scorer(["normal"])


def test_an_embedding_of_another_width_is_refused() -> None:
    with pytest.raises(InputError, match="embedding"):
        open_encoder("smoke").scorer(["normal"]).score(np.zeros(3, np.float32), None)


def test_no_score_depends_on_another_query() -> None:
    encoder = open_encoder("smoke")
    made = encoder.encode(*windows(1))[0]
    queries = [f"condition number {number}" for number in range(37)]
    scores = encoder.scorer(queries).score(made, None)
    for place in (0, 5, 36):
        assert encoder.scorer([queries[place]]).score(made, None)[0] == scores[place]
        assert encoder.scorer(queries[place:]).score(made, None)[0] == scores[place]


def test_a_device_that_is_not_there_is_said() -> None:
    with pytest.raises(ModelError, match="no device tpu"):
        open_encoder("smoke", device="tpu")
    if torch.cuda.is_available():
        pytest.skip("a CUDA device is here")
    with pytest.raises(ModelError, match="--device cpu"):
        open_encoder("smoke", device="cuda")
    assert open_encoder("smoke", device="auto").encode(*windows(1)).shape == (1, 64)
