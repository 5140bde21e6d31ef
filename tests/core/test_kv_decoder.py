"""Decoders from folders, with what makes their prompts; the int8 baseline; quality of a continuation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from decoders import llama, llava
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertLMHeadModel,
    JambaConfig,
    JambaForCausalLM,
)

from medpipe.core.errors import InputError, ModelError
from medpipe.core.kv.attention_statistics import RowSettings
from medpipe.core.kv.budgeted_cache import BudgetedCache, Compression
from medpipe.core.kv.continuation import forced, greedy, prefill
from medpipe.core.kv.decoder import Decoder, config_digest, open_decoder
from medpipe.core.kv.int8_cache import Int8Cache
from medpipe.core.kv.methods import METHODS
from medpipe.core.kv.quality import compare
from medpipe.core.kv.smoke import byte_tokenizer
from medpipe.core.kv.sweep import Baseline, measured
from medpipe.core.metrics.text.rouge_l import rouge_l

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def smoke() -> Decoder:
    return open_decoder("smoke")


def test_a_prompt_has_its_images_before_its_words(smoke: Decoder) -> None:
    prompt = smoke.prompts.encode("What?", [PIXELS, PIXELS[..., 0]])
    patches = int(prompt.inputs["image_grid_thw"].prod(1).sum())
    assert prompt.images == 2 and int(prompt.visual.sum()) == patches // 4 and not prompt.visual[-5:].any()
    assert smoke.tokenizer.decode(prompt.inputs["input_ids"][0, -5:]) == "What?"
    with pytest.raises(InputError, match="8 bits are needed"):
        smoke.prompts.encode("What?", [PIXELS.astype(np.float32)])


def test_prompts_one_after_another_do_not_hear_of_each_other(smoke: Decoder) -> None:
    with_image, alone = smoke.prompts.encode("What?", [PIXELS]), smoke.prompts.encode("Words alone.", [])
    rows = RowSettings()
    said = []
    for before in ([], [with_image]):
        for prompt in before:
            measured(smoke, prompt, rows)
        cache, first = measured(smoke, alone, rows)
        said.append(forced(smoke, first, greedy(smoke, first, 4, cache), measured(smoke, alone, rows)[0], singly=True))
    assert torch.equal(*said)


def test_eight_bits_hold_the_whole_cache_in_a_third_of_its_bytes(smoke: Decoder) -> None:
    prompt = smoke.prompts.encode("What is seen here, and where?", [PIXELS])
    cache, first = measured(smoke, prompt, RowSettings())
    whole, eight = cache.compressed(Compression(METHODS["recent"], 1.0)), Int8Cache(cache)
    tokens = [1, 2, 3, 4]
    quality = compare(
        forced(smoke, first, tokens, whole, singly=False), forced(smoke, first, tokens, eight, singly=False), tokens
    )
    assert 0 < quality["kl_nats_max"] < 1e-2
    assert Int8Cache(cache).kv_bytes()[0] == cache.kv_bytes()[0] * (16 + 4) // (16 * 4)


def test_quality_is_that_of_the_distributions() -> None:
    full = torch.tensor([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
    same = compare(full, full.clone(), [0, 1])
    assert same["kl_nats_max"] == 0 and same["top1_agreement"] == 1 and same["first_divergence"] is None
    other = compare(full, full.flip(1), [0, 1])
    p, q = full.log_softmax(1), full.flip(1).log_softmax(1)
    assert other["kl_nats_max"] == pytest.approx(float((p.exp() * (p - q)).sum(1).max()), abs=1e-6)
    assert other["first_divergence"] == 0 and other["nll_nats_change"] == pytest.approx(1.0)


def test_the_error_of_attention_is_told_layer_by_layer(smoke: Decoder) -> None:
    cache, first = measured(smoke, smoke.prompts.encode("What is seen here, and where?", [PIXELS]), RowSettings())
    base = Baseline.of(smoke, cache, first, "an answer", 6)
    for ratio, low, high in ((1.0, 0.0, 1e-5), (0.2, 1e-3, 2.0)):
        errors = base.compressed(Compression(METHODS["h2o"], ratio)).quality["attention_error"]
        assert len(errors) == 4 and all(low <= one <= high for one in errors)


def test_a_method_may_say_more_than_the_full_cache(smoke: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, first = measured(smoke, smoke.prompts.encode("What is seen here, and where?", [PIXELS]), RowSettings())
    free = greedy(smoke, first, 8, cache.compressed(Compression(METHODS["recent"], 1.0)))
    monkeypatch.setattr(smoke.model.generation_config, "eos_token_id", free[1])
    base = Baseline.of(smoke, cache, first, "answer", 8)
    assert len(base.free) == 2
    assert any(
        len(smoke.tokenizer(base.compressed(Compression(METHODS[name], 0.05)).text)["input_ids"]) > 2
        for name in METHODS
    )


def test_a_continuation_must_have_room_behind_its_prompt(smoke: Decoder) -> None:
    prompt = smoke.prompts.encode("What?", [])
    most = smoke.model.config.get_text_config().max_position_embeddings
    with pytest.raises(InputError, match=f"the model counts to {most}"):
        measured(smoke, prompt, RowSettings(), most)


def test_rouge_l_is_f1_of_what_is_common_in_order() -> None:
    assert rouge_l(["the", "cat", "sat", "on", "the", "mat"], ["the", "cat", "on", "a", "mat"]) == pytest.approx(
        2 * 4 / 11
    )
    assert rouge_l([], []) == 1 and rouge_l([], ["a"]) == rouge_l(["a"], []) == 0


# As that of LLaVA 1.5: whatever their order, images are written first.
IMAGES_FIRST = (
    "{% for m in messages %}{% for c in m.content if c.type == 'image' %}<image>{% endfor %}"
    "{% for c in m.content if c.type == 'text' %}{{ c.text }}{% endfor %}{% endfor %}"
)


def _runs(visual: torch.Tensor) -> list[int]:
    """Lengths of text and images, by turns."""
    return torch.unique_consecutive(visual, return_counts=True)[1].tolist()


def test_images_stand_where_the_prompt_says(smoke: Decoder) -> None:
    shown = [PIXELS, PIXELS[..., 0]]
    first = _runs(smoke.prompts.encode("<image><image>One and two?", shown).visual)
    assert first == _runs(smoke.prompts.encode("One and two?", shown).visual)
    one = first[1]
    # Beside each image its start and its end.
    assert _runs(smoke.prompts.encode("One <image> and two <image>?", shown).visual) == [5, one, 11, one, 2]
    for text in ("<image>?", "<image><image><image>?"):
        with pytest.raises(InputError, match="for 2 images"):
            smoke.prompts.encode(text, shown)


def test_a_folder_of_llava_is_opened_with_its_processor(tmp_path: Path) -> None:
    from transformers import LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    model = llava()[0]
    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    model.resize_token_embeddings(len(tokenizer))
    model.config.image_token_index = model.config.image_token_id = tokenizer.convert_tokens_to_ids("<image>")
    model.save_pretrained(tmp_path)
    image = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    LlavaProcessor(image, tokenizer, patch_size=4, vision_feature_select_strategy="default", image_token="<image>",
                   num_additional_image_tokens=1).save_pretrained(tmp_path)  # fmt: skip
    decoder = open_decoder(str(tmp_path))
    for template, around in ((None, 0), (IMAGES_FIRST, 0), (f"USER One: {IMAGES_FIRST}", 10)):
        decoder.prompts.processor.chat_template = template
        placed = decoder.prompts.encode("One <image>, two <image>: which?", [PIXELS, PIXELS])
        assert _runs(placed.visual) == [around + 4, 16, 6, 16, 8]
    decoder.prompts.processor.chat_template = None
    prompt = decoder.prompts.encode("What?", [PIXELS])
    assert int(prompt.visual.sum()) == 16 and prompt.images == 1
    cache = BudgetedCache(decoder.model, Compression(METHODS["meda"], 0.5), prompt.visual)
    prefill(decoder, prompt, cache)
    assert sum(layer.entries for layer in cache.budgeted) == round(0.5 * 3 * prompt.tokens)


def test_a_folder_of_qwen2_vl_needs_no_processor_of_videos(smoke: Decoder, tmp_path: Path) -> None:
    smoke.model.save_pretrained(tmp_path)
    smoke.tokenizer.save_pretrained(tmp_path)
    smoke.prompts.image_processor.save_pretrained(tmp_path)
    opened = open_decoder(str(tmp_path))
    made = [one.prompts.encode("What?", [PIXELS, PIXELS[..., 0]]) for one in (smoke, opened)]
    assert all(torch.equal(made[0].inputs[name], one) for name, one in made[1].inputs.items())
    said = [measured(one, prompt, RowSettings())[1] for one, prompt in zip((smoke, opened), made, strict=True)]
    torch.testing.assert_close(*said)
    opened.tokenizer.chat_template = (
        "{% for m in messages %}{% for c in m.content %}"
        "{{ '<image-start><image><image-end>' if c.type == 'image' else c.text }}{% endfor %}{% endfor %}!"
    )
    templated = opened.prompts.encode("What?", [PIXELS])
    alone = smoke.prompts.encode("What?!", [PIXELS])
    assert torch.equal(templated.inputs["input_ids"], alone.inputs["input_ids"])
    opened.tokenizer.chat_template = "no place for it"
    with pytest.raises(InputError, match="does not place each image"):
        opened.prompts.encode("What?", [PIXELS])


def _bart() -> Any:
    sizes = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    config = BartConfig(vocab_size=300, d_model=8, encoder_layers=1, decoder_layers=1, **sizes)
    return BartForConditionalGeneration(config)


def _bert() -> Any:
    config = BertConfig(vocab_size=300, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    return BertLMHeadModel(config)


def _jamba() -> Any:
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1}
    config = JambaConfig(vocab_size=300, num_hidden_layers=2, attn_layer_period=2, attn_layer_offset=1, **sizes)
    return JambaForCausalLM(config)


@pytest.mark.parametrize(
    ("make", "said"),
    [(_bart, "encoder with a decoder"), (_bert, "attention looks ahead"), (_jamba, "layers of linear_attention")],
)
def test_what_is_no_decoder_with_keys_in_every_layer_is_refused(make: Any, said: str, tmp_path: Path) -> None:
    make().save_pretrained(tmp_path)
    byte_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=said) as raised:
        open_decoder(str(tmp_path))
    assert raised.value.unavailable


def test_a_folder_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    model = llama()[0]
    weights = {name: one for name, one in model.state_dict().items() if "layers.1.mlp" not in name}
    model.save_pretrained(tmp_path, state_dict=weights)
    byte_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="lacks 3 weights of a LlamaForCausalLM"):
        open_decoder(str(tmp_path))


def test_a_digest_is_of_the_architecture_however_it_is_stored(tmp_path: Path) -> None:
    model = llava()[0]
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path, attn_implementation="eager")
    assert config_digest(again.config) == config_digest(model.config)
    again.config.text_config.num_hidden_layers = 2
    assert config_digest(again.config) != config_digest(model.config)


def test_a_prompt_longer_than_the_model_counts_is_refused(smoke: Decoder) -> None:
    with pytest.raises(InputError, match="counts to 32768"):
        prefill(smoke, smoke.prompts.encode("a" * 33000, []), BudgetedCache(smoke.model))


def test_what_is_not_there_is_unavailable() -> None:
    with pytest.raises(ModelError, match="no such folder") as refused:
        open_decoder("/nowhere/at/all")
    assert refused.value.unavailable
