"""Text behind prompts: the tokens of transformers' own generate, and those of feeding everything again at each step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import GPT2Config

from medpipe.core.fmri.heard_text import by_volume, marked
from medpipe.core.fmri.language_models import open_lm
from medpipe.core.fmri.prompt_decoding import DecodeOptions, write
from medpipe.core.fmri.prompted_lm import PromptedLm
from medpipe.core.fmri.roomy_cache import RoomyLayer

TEXTS = [f"w{number} w{number + 1}" for number in range(40)]


@pytest.fixture(scope="module")
def lm() -> PromptedLm:
    made, _ = open_lm("small", TEXTS, 0)
    # Tied to what is read, a random model would write one word for ever.
    torch.manual_seed(1)
    made.model.lm_head.weight = torch.nn.Parameter(torch.randn_like(made.model.lm_head.weight))
    return made.eval()


@pytest.fixture(scope="module")
def prompts(lm: PromptedLm) -> torch.Tensor:
    return torch.randn(6, 5, lm.width, generator=torch.Generator().manual_seed(2))


def test_greedy_tokens_are_those_of_transformers(lm: PromptedLm, prompts: torch.Tensor) -> None:
    made = write(lm, prompts, [3] * 6, DecodeOptions(tokens=20))
    theirs = lm.model.generate(
        inputs_embeds=prompts, attention_mask=torch.ones(6, 5, dtype=torch.long), max_new_tokens=20, do_sample=False,
        pad_token_id=lm.texts.end,
    )  # fmt: skip
    for text, row in zip(made, theirs.tolist(), strict=True):
        assert text.ids == row[: len(text.ids)] and set(row[len(text.ids) :]) <= {lm.texts.end}
    assert len({tuple(text.ids) for text in made}) > 1


def test_greedy_tokens_and_their_logs_are_those_of_feeding_all_again(lm: PromptedLm, prompts: torch.Tensor) -> None:
    made = write(lm, prompts, [3] * 6, DecodeOptions(tokens=12))
    for row, text in enumerate(made):
        fed = prompts[row : row + 1]
        for token, log in zip(text.ids, text.logs, strict=True):
            with torch.no_grad():
                logs = torch.log_softmax(lm.model(inputs_embeds=fed).logits[0, -1], dim=-1)
            assert int(logs.argmax()) == token and float(logs[token]) == pytest.approx(log, abs=1e-4)
            fed = torch.cat([fed, lm.embed(torch.tensor([[token]]))], dim=1)


def test_models_of_other_kinds_write_what_transformers_does(lm: PromptedLm, prompts: torch.Tensor) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

    sizes = {"vocab_size": len(lm.texts.tokenizer), "hidden_size": lm.width, "intermediate_size": 64,
             "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}  # fmt: skip
    torch.manual_seed(3)
    window = MistralConfig(**sizes, sliding_window=6)
    for model in (LlamaForCausalLM(LlamaConfig(**sizes)), MistralForCausalLM(window)):
        model.generation_config.eos_token_id = None
        other = PromptedLm(model, lm.texts.tokenizer).eval()
        made = write(other, prompts, [3] * 6, DecodeOptions(tokens=20))
        theirs = model.generate(
            inputs_embeds=prompts, attention_mask=torch.ones(6, 5, dtype=torch.long), max_new_tokens=20,
            do_sample=False, pad_token_id=0,
        )  # fmt: skip
        for text, row in zip(made, theirs.tolist(), strict=True):
            assert text.ids == row[: len(text.ids)] and (text.ended or len(text.ids) == 20)


def test_a_cache_that_is_full_grows() -> None:
    states = torch.randn(2, 2, 7, 3, generator=torch.Generator().manual_seed(4))
    layer = RoomyLayer(2)
    for place in range(7):
        keys, values = layer.update(states[:, :, place : place + 1], -states[:, :, place : place + 1])
        assert layer.get_seq_length() == place + 1
    assert torch.equal(keys, states) and torch.equal(values, -states)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_neighbours_change_nothing(lm: PromptedLm, prompts: torch.Tensor, temperature: float) -> None:
    options = DecodeOptions(tokens=12, temperature=temperature, top_p=0.9)
    draws = [np.random.default_rng(row).random(12) for row in range(6)]
    together = write(lm, prompts, [3] * 6, options, draws)
    for row in range(6):
        assert write(lm, prompts[row : row + 1], [3], options, draws[row : row + 1])[0].ids == together[row].ids
    if temperature:
        assert together[0].ids != write(lm, prompts, [3] * 6, options, draws[::-1])[0].ids


class Scripted(torch.nn.Module):
    """Writes given tokens, whatever it reads."""

    def __init__(self, ids: list[int], size: int) -> None:
        super().__init__()
        self.ids, self.size, self.step = ids, size, 0
        self.config = GPT2Config(n_layer=1)

    def forward(self, **given: object) -> object:
        logits = torch.zeros(1, 1, self.size)
        logits[0, 0, self.ids[self.step % len(self.ids)]] = 9
        self.step += 1
        return type("Output", (), {"logits": logits, "past_key_values": None})()


@pytest.mark.parametrize(("stop", "count"), [("marks", 20), ("end", 50), ("released", 18)])
def test_all_volumes_are_written_before_the_marks_end_a_text(lm: PromptedLm, stop: str, count: int) -> None:
    word, mark = lm.texts.tokenizer("w1 $", add_special_tokens=False)["input_ids"]
    assert mark == lm.texts.mark
    model, lm.model = lm.model, Scripted([word, mark], 60)
    try:
        (made,) = write(lm, torch.zeros(1, 1, 4), [10], DecodeOptions(tokens=50, stop=stop))
    finally:
        lm.model = model
    assert len(made.ids) == count and made.ended == (stop != "end")
    assert len(by_volume(lm.texts.text(made.ids))) == count // 2


def test_a_learnt_end_ends_it(lm: PromptedLm) -> None:
    model, lm.model = lm.model, Scripted([5, 6, lm.texts.end], 60)
    try:
        (made,) = write(lm, torch.zeros(1, 1, 4), [10], DecodeOptions(tokens=50))
    finally:
        lm.model = model
    assert made.ids == [5, 6, lm.texts.end] and made.ended


def test_marks_stand_behind_each_volume_and_come_off_again() -> None:
    assert marked(["so i said", "", "and he = left $ us"]) == "= so i said $ $ and he left us $"
    assert by_volume("= so i said $ $ and he left $") == ["so i said", "", "and he left"]
    assert by_volume("= so i $ and") == ["so i", "and"] and by_volume("") == []
