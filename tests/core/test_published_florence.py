"""A checkpoint with the names and shapes that microsoft/Florence-2-base has becomes transformers' own class."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from torch import Tensor

from medpipe.core.errors import ModelError
from medpipe.core.vision.florence import Decoding
from medpipe.core.vision.grounding_folder import open_model
from medpipe.core.vision.published_florence import convert

WORDS, COUNT, WIDTH = 50265, 51289, 768
VISION = {
    "depths": [1, 1, 9, 1], "dim_embed": [128, 256, 512, 1024], "num_heads": [4, 8, 16, 32],
    "num_groups": [4, 8, 16, 32], "patch_size": [7, 3, 3, 3], "patch_stride": [4, 2, 2, 2],
    "patch_padding": [3, 1, 1, 1], "patch_prenorm": [False, True, True, True], "window_size": 12,
    "drop_path_rate": 0.1, "projection_dim": WIDTH, "image_feature_source": ["spatial_avg_pool", "temporal_avg_pool"],
    "image_pos_embed": {"type": "learned_abs_2d", "max_pos_embeddings": 50},
    "visual_temporal_embedding": {"type": "COSINE", "max_temporal_embeddings": 100},
}  # fmt: skip
TEXT = {
    "vocab_size": COUNT, "d_model": WIDTH, "encoder_layers": 6, "decoder_layers": 6, "encoder_attention_heads": 12,
    "decoder_attention_heads": 12, "encoder_ffn_dim": 3072, "decoder_ffn_dim": 3072, "max_position_embeddings": 1024,
    "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2, "forced_eos_token_id": 2,
    "forced_bos_token_id": 0, "no_repeat_ngram_size": 3, "scale_embedding": False, "model_type": "florence2_language",
}  # fmt: skip


def vision_shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    before = 3
    for stage, (width, patch) in enumerate(zip(VISION["dim_embed"], VISION["patch_size"], strict=True)):
        yield f"convs.{stage}.proj.weight", (width, before, patch, patch)
        yield f"convs.{stage}.proj.bias", (width,)
        norm = before if VISION["patch_prenorm"][stage] else width
        yield from ((f"convs.{stage}.norm.{part}", (norm,)) for part in ("weight", "bias"))
        for block in range(VISION["depths"][stage]):
            for kind, attention in (("spatial", "window"), ("channel", "channel")):
                start = f"blocks.{stage}.{block}.{kind}_block"
                for part, shape in (("weight", (width, 1, 3, 3)), ("bias", (width,))):
                    yield from ((f"{start}.conv{number}.fn.dw.{part}", shape) for number in (1, 2))
                for name, rows, columns in (
                    (f"{attention}_attn.fn.qkv", 3 * width, width), (f"{attention}_attn.fn.proj", width, width),
                    ("ffn.fn.net.fc1", 4 * width, width), ("ffn.fn.net.fc2", width, 4 * width),
                ):  # fmt: skip
                    yield f"{start}.{name}.weight", (rows, columns)
                    yield f"{start}.{name}.bias", (rows,)
                for name in (f"{attention}_attn.norm", "ffn.norm"):
                    yield from ((f"{start}.{name}.{part}", (width,)) for part in ("weight", "bias"))
        before = width


def text_shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    for part in ("encoder", "decoder"):
        yield f"{part}.embed_positions.weight", (1026, WIDTH)
        yield from ((f"{part}.layernorm_embedding.{kind}", (WIDTH,)) for kind in ("weight", "bias"))
        attentions = ("self_attn",) if part == "encoder" else ("self_attn", "encoder_attn")
        for layer in range(6):
            start = f"{part}.layers.{layer}"
            for attention in attentions:
                for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    yield f"{start}.{attention}.{name}.weight", (WIDTH, WIDTH)
                    yield f"{start}.{attention}.{name}.bias", (WIDTH,)
            for name in (*(f"{attention}_layer_norm" for attention in attentions), "final_layer_norm"):
                yield from ((f"{start}.{name}.{kind}", (WIDTH,)) for kind in ("weight", "bias"))
            for name, rows, columns in (("fc1", 3072, WIDTH), ("fc2", WIDTH, 3072)):
                yield f"{start}.{name}.weight", (rows, columns)
                yield f"{start}.{name}.bias", (rows,)


def published_weights() -> dict[str, Tensor]:
    """Small half-precision numbers under the published names; norms are near one."""
    shapes = {f"vision_tower.{name}": shape for name, shape in vision_shapes()}
    shapes |= {f"language_model.model.{name}": shape for name, shape in text_shapes()}
    shapes |= {
        "image_projection": (1024, WIDTH), "image_proj_norm.weight": (WIDTH,), "image_proj_norm.bias": (WIDTH,),
        "image_pos_embed.row_embeddings.weight": (50, 512), "image_pos_embed.column_embeddings.weight": (50, 512),
        "visual_temporal_embed.pos_idx_to_embed": (100, 1024), "language_model.model.shared.weight": (COUNT, WIDTH),
        "language_model.final_logits_bias": (1, COUNT),
    }  # fmt: skip
    rng = torch.Generator().manual_seed(0)
    pool = torch.randn(2**20, generator=rng).half() * 0.02
    made = {}
    for place, (name, shape) in enumerate(shapes.items()):
        size = int(np.prod(shape))
        values = pool.roll(7919 * place).repeat(-(-size // len(pool)))[:size].view(shape)
        made[name] = values + 1 if "norm" in name and name.endswith("weight") else values.clone()
    made["language_model.final_logits_bias"].zero_()
    return made


def write_tokenizer(folder: Path) -> None:
    """As many words as BART's, the last of them the mask: bytes, and fillers."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    start = ["<s>", "<pad>", "</s>", "<unk>", *alphabet]
    pieces = [*start, *(f"filler{number}" for number in range(WORDS - len(start) - 1)), "<mask>"]
    plain = Tokenizer(models.BPE({piece: place for place, piece in enumerate(pieces)}, [], unk_token="<unk>"))
    plain.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    plain.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    plain.save(str(folder / "tokenizer.json"))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    said = {"model_type": "florence2", "auto_map": {"AutoConfig": "configuration_florence2.Florence2Config"},
            "vision_config": VISION, "text_config": TEXT, "projection_dim": WIDTH}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(said))
    write_tokenizer(folder)
    save_file(published_weights(), folder / "model.safetensors")
    return folder


@pytest.mark.slow
def test_a_full_size_checkpoint_is_opened_and_answers(published: Path, tmp_path: Path) -> None:
    count = convert(published, tmp_path / "native", "ag-kd")
    assert count > 230_000_000
    opened = open_model(str(tmp_path / "native"), None)
    assert opened.preset.template == "ag-kd-demo" and not opened.calibrated
    tokenizer = opened.florence.tokenizer
    assert tokenizer.convert_tokens_to_ids(["<loc_0>", "<loc_999>", "<and>", "<image>"]) == [50269, 51268, 51288, 51289]
    old, new = load_file(published / "model.safetensors"), opened.florence.model.state_dict()
    assert len(new["lm_head.weight"]) % 64 == 0
    for name, native in (
        ("vision_tower.blocks.2.8.channel_block.channel_attn.fn.qkv.weight",
         "model.vision_tower.blocks.2.8.channel_block.channel_attn.qkv.weight"),
        ("vision_tower.convs.3.norm.bias", "model.vision_tower.convs.3.norm.bias"),
        ("language_model.model.decoder.layers.5.encoder_attn.out_proj.weight",
         "model.language_model.decoder.layers.5.encoder_attn.out_proj.weight"),
    ):  # fmt: skip
        assert torch.equal(old[name], new[native])
    assert torch.equal(old["image_projection"].T, new["model.multi_modal_projector.image_projection.weight"])
    assert torch.equal(old["language_model.model.shared.weight"], new["lm_head.weight"][:COUNT])
    opened.florence.model.float()
    image = opened.florence.encode(np.zeros((512, 512, 3), np.uint8))
    assert image.shape == (1, 257, WIDTH)
    (answer,) = opened.florence.ask(image, ["mass"], ["mass"], Decoding(1, 3))
    assert 0 <= answer.present <= 1


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda weights: weights.pop("vision_tower.convs.0.proj.bias"), "convs.0.conv.bias is missing"),
        (lambda weights: weights.update(stranger=torch.zeros(1)), "stranger is not known"),
        (lambda weights: weights.update(image_projection=torch.zeros(2, 2)), "image_projection.weight has another"),
        (lambda weights: weights["language_model.final_logits_bias"].add_(1), "final_logits_bias is not zero"),
        (lambda weights: weights.update({"language_model.lm_head.weight": torch.zeros(COUNT, WIDTH)}), "2 different"),
    ],
)  # fmt: skip
def test_a_checkpoint_that_does_not_fit_is_refused(published: Path, tmp_path: Path, change, cause: str) -> None:
    weights = load_file(published / "model.safetensors")
    change(weights)
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).symlink_to(published / name)
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=cause):
        convert(tmp_path, tmp_path / "native", "florence-2")
    assert not (tmp_path / "native").exists()


def test_the_published_layout_is_not_opened_as_it_is(published: Path) -> None:
    with pytest.raises(ModelError, match="medpipe models convert"):
        open_model(str(published), None)
