"""Florence-2 asked by us answers as transformers' own call does; scores are those of its tokens."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from medpipe.core.errors import InputError
from medpipe.core.vision.florence import MEAN, SPREAD, Decoding, Florence
from medpipe.core.vision.florence_new import new_florence

PIXELS = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
PROMPTS = ["Locate the phrases in the caption: mass means a growth.", "Locate the phrases in the caption: edema."]
LABELS = ["mass", "edema"]


@pytest.fixture(scope="module")
def model() -> Florence:
    made = new_florence("smoke", side=64, seed=1)
    # With the words it reads as the words it writes, the tiny model repeats its first token, the end.
    head = made.model.lm_head
    head.weight = torch.nn.Parameter(torch.randn(head.weight.shape, generator=torch.Generator().manual_seed(0)))
    return made


def by_transformers(model: Florence, prompt: str, decoding: Decoding) -> list[int]:
    """The tokens that the class itself generates from pixels and text."""
    image = torch.from_numpy(PIXELS).permute(2, 0, 1)[None] / 255
    values = (image - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(SPREAD).view(1, 3, 1, 1)
    count = model.encode(PIXELS).shape[1]
    text = model.tokenizer(prompt, return_tensors="pt")["input_ids"]
    ids = torch.cat([torch.full((1, count), model.tokenizer.convert_tokens_to_ids("<image>")), text], dim=1)
    with torch.no_grad():
        made = model.model.generate(
            input_ids=ids, pixel_values=values, attention_mask=torch.ones_like(ids), num_beams=decoding.beams,
            max_new_tokens=decoding.tokens, do_sample=False,
        )  # fmt: skip
    return made[0].tolist()


@pytest.mark.parametrize("beams", [1, 3])
def test_an_image_encoded_once_gives_the_answers_of_the_class_itself(model: Florence, beams: int) -> None:
    decoding = Decoding(beams, 20)
    image = model.encode(PIXELS)
    together = model.ask(image, PROMPTS, LABELS, decoding)
    for place, prompt in enumerate(PROMPTS):
        (alone,) = model.ask(image, [prompt], LABELS[place : place + 1], decoding)
        expected = model.tokenizer.decode(by_transformers(model, prompt, decoding)[1:])
        assert alone.text == expected and len(alone.text) > 10
        assert together[place].text.replace("<pad>", "") == alone.text.replace("<pad>", "")
        assert together[place].present == pytest.approx(alone.present, abs=1e-5)


def test_a_box_scores_the_geometric_mean_of_its_tokens(model: Florence) -> None:
    text = "a<loc_1><loc_2><loc_3><loc_4><loc_9><loc_8><loc_7><loc_6>b<loc_5><loc_5><loc_6><loc_6>"
    tokens = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    located = {model.tokenizer.convert_tokens_to_ids(f"<loc_{place}>") for place in range(1000)}
    assert len(tokens) == 14 and sum(token in located for token in tokens) == 12
    logs = [math.log(0.1)] + [math.log(0.5)] * 4 + [math.log(0.2)] * 4 + [math.log(0.3)] + [math.log(0.8)] * 4
    answer = model._answer(tokens, logs, 0.25)
    assert [(label, bins) for label, bins, _ in answer.boxes] == [("a", (1, 2, 3, 4)), ("b", (5, 5, 6, 6))]
    assert [score for *_, score in answer.boxes] == pytest.approx([0.5, 0.8])
    assert answer.dropped == {"inverted": 1} and answer.present == 0.25


def test_a_question_or_an_answer_longer_than_the_model_counts(model: Florence) -> None:
    image = model.encode(PIXELS)
    (answer,) = model.ask(image, PROMPTS[:1], LABELS[:1], Decoding(1, 10_000))
    assert len(model.tokenizer(answer.text)["input_ids"]) <= 520
    with pytest.raises(InputError, match="no room for a question of 9000 letters"):
        model.ask(image, ["mass " * 1800], LABELS[:1], Decoding())


def test_presence_weighs_locations_against_the_end(model: Florence) -> None:
    image = model.encode(PIXELS)
    (answer,) = model.ask(image, PROMPTS[:1], LABELS[:1], Decoding(1, 1))
    states, mask = model._read(image, PROMPTS[:1])
    words = model.tokenizer("mass", add_special_tokens=False)["input_ids"]
    from transformers.modeling_outputs import BaseModelOutput

    with torch.no_grad():
        out = model.model(encoder_outputs=BaseModelOutput(last_hidden_state=states), attention_mask=mask,
                          decoder_input_ids=torch.tensor([[2, 0, *words]]))  # fmt: skip
    shares = torch.softmax(out.logits[0, -1], dim=0)
    located = float(shares[torch.tensor(model._locations)].sum())
    assert answer.present == pytest.approx(located / (located + float(shares[2])), abs=1e-6)
