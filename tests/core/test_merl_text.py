from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medpipe.core.ecg.encoders import open_encoder
from medpipe.core.ecg.merl import Merl
from medpipe.core.ecg.merl_text import MerlText
from medpipe.core.errors import ModelError

transformers = pytest.importorskip("transformers")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "atrial", "fibrillation", "sinus", "rhythm", "normal"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny untrained BERT with its tokenizer, as a folder."""
    folder = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=300,
    )
    transformers.BertModel(config).save_pretrained(folder)
    transformers.BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def projector() -> dict[str, Tensor]:
    torch.manual_seed(1)
    projection = nn.Sequential(nn.Linear(32, 256), nn.GELU(), nn.Linear(256, 256))
    return {f"proj_t.{key}": value for key, value in projection.state_dict().items()}


def tower(seed: int, bert: Path) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    model = transformers.BertModel(transformers.AutoConfig.from_pretrained(bert))
    positions = {"lm_model.embeddings.position_ids": torch.arange(300)[None]}
    return positions | {f"lm_model.{key}": value for key, value in model.state_dict().items()}


@torch.inference_mode()
def test_equals_the_padded_published_computation(bert: Path) -> None:
    weights = projector()
    tokenizer = transformers.AutoTokenizer.from_pretrained(bert)
    model = transformers.AutoModel.from_pretrained(bert).eval()
    tokens = tokenizer(["atrial fibrillation"], padding="max_length", max_length=256, return_tensors="pt")
    pooled = model(**tokens).pooler_output
    hidden = nn.functional.gelu(pooled @ weights["proj_t.0.weight"].T + weights["proj_t.0.bias"])
    expected = hidden @ weights["proj_t.2.weight"].T + weights["proj_t.2.bias"]
    text = MerlText.from_weights(weights, str(bert))
    np.testing.assert_allclose(text.encode("Atrial FIBRILLATION"), expected[0].numpy(), atol=1e-6)


def test_the_checkpoints_own_tower_comes_first(bert: Path) -> None:
    text = MerlText.from_weights(projector(), str(bert))
    own = MerlText.from_weights(projector() | tower(9, bert), str(bert))
    same = MerlText.from_weights(projector() | tower(9, bert), str(bert))
    assert not np.allclose(text.encode("sinus rhythm"), own.encode("sinus rhythm"), atol=1e-4)
    np.testing.assert_array_equal(own.encode("sinus rhythm"), same.encode("sinus rhythm"))


def test_very_long_prompts_are_cut(bert: Path) -> None:
    text = MerlText.from_weights(projector(), str(bert))
    np.testing.assert_array_equal(text.encode("normal " * 254), text.encode("normal " * 900))


def test_a_full_checkpoint_scores_and_no_query_sees_another(bert: Path, tmp_path: Path) -> None:
    torch.manual_seed(4)
    network = Merl("merl-vit-tiny", contrastive=True)
    torch.save({**network.state_dict(), **tower(2, bert), **projector()}, tmp_path / "ckpt.pth")
    encoder = open_encoder(str(tmp_path / "ckpt.pth"), text_model=str(bert))
    signal = np.random.default_rng(0).normal(0, 0.5, (12, 5000)).astype(np.float32)
    x, present = encoder.prepare(signal, 500, list(encoder.leads))
    made = encoder.encode(x[None], present[None])[0]
    queries = ["atrial fibrillation", "normal sinus rhythm", "normal", "sinus rhythm " * 40]
    scorer = encoder.scorer(queries)
    scores = scorer.score(made, None)
    assert (scorer.kind, scores.shape) == ("cosine", (4,))
    for place, query in enumerate(queries):
        assert encoder.scorer([query]).score(made, None)[0] == scores[place]
    for place, query in enumerate(reversed(queries)):
        assert encoder.scorer(queries[::-1]).score(made, None)[place] == scores[queries.index(query)]


def test_what_is_missing_is_said(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="proj_t"):
        MerlText.from_weights({}, str(bert))
    with pytest.raises(ModelError, match="proj_t"):
        MerlText.from_weights({**projector(), "proj_t.0.weight": torch.zeros(256, 768)}, str(bert))
    with pytest.raises(ModelError, match="no text encoder"):
        MerlText.from_weights(projector(), str(tmp_path))
    transformers.BertTokenizerFast(vocab_file=str(bert / "vocab.txt")).save_pretrained(tmp_path)
    config = transformers.AutoConfig.from_pretrained(bert)
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"lacks weights: pooler"):
        MerlText.from_weights(projector(), str(tmp_path))


def test_a_text_model_that_is_not_here_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="hf download nobody/no-such-text-model") as caught:
        MerlText.from_weights(projector(), "nobody/no-such-text-model")
    assert caught.value.unavailable
