"""Published checkpoints of Florence-2 and AG-KD made into transformers' own class, from their safetensors alone.

Names as microsoft/Florence-2 has them; what is done to them follows the conversion that transformers describes:
renamed, `image_projection` turned over, a token for the image put behind the others, embeddings filled up to a
multiple of 64 rows. Nothing of the checkpoint's own code is read or run.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from medpipe.core.errors import ModelError
from medpipe.core.training.durable import put
from medpipe.core.vision.grounding_folder import WEIGHTS, write_description
from medpipe.core.vision.grounding_presets import PRESETS
from medpipe.core.vision.location_tokens import BINS

# In the order in which the published processor adds them to BART's.
_TOKENS: Final = (
    "<od>", "</od>", "<ocr>", "</ocr>", *(f"<loc_{place}>" for place in range(BINS)), "<cap>", "</cap>", "<ncap>",
    "</ncap>", "<dcap>", "</dcap>", "<grounding>", "</grounding>", "<seg>", "</seg>", "<sep>", "<region_cap>",
    "</region_cap>", "<region_to_desciption>", "</region_to_desciption>", "<proposal>", "</proposal>", "<poly>",
    "</poly>", "<and>",
)  # fmt: skip
_IMAGE: Final = "<image>"
_BLOCK: Final = r"^vision_tower\.blocks\.(\d+)\.(\d+)\.(spatial|channel)_block\."
_RENAMED: Final = (
    (r"^vision_tower\.convs\.(\d+)\.proj\.", r"model.vision_tower.convs.\1.conv."),
    (r"^vision_tower\.convs\.(\d+)\.norm\.", r"model.vision_tower.convs.\1.norm."),
    (_BLOCK + r"conv([12])\.fn\.dw\.", r"model.vision_tower.blocks.\1.\2.\3_block.conv\4."),
    (_BLOCK + r"(?:window|channel)_attn\.norm\.", r"model.vision_tower.blocks.\1.\2.\3_block.norm1."),
    (_BLOCK + r"(window|channel)_attn\.fn\.", r"model.vision_tower.blocks.\1.\2.\3_block.\4_attn."),
    (_BLOCK + r"ffn\.norm\.", r"model.vision_tower.blocks.\1.\2.\3_block.norm2."),
    (_BLOCK + r"ffn\.fn\.net\.", r"model.vision_tower.blocks.\1.\2.\3_block.ffn."),
    (r"^image_projection$", "model.multi_modal_projector.image_projection.weight"),
    (r"^image_proj_norm\.", "model.multi_modal_projector.image_proj_norm."),
    (r"^image_pos_embed\.", "model.multi_modal_projector.image_position_embed."),
    (r"^visual_temporal_embed\.", "model.multi_modal_projector.visual_temporal_embed."),
    (r"^language_model\.model\.", "model.language_model."),
    (r"^language_model\.lm_head\.", "lm_head."),
)
# One matrix under four names; a file may hold any of them.
_WORDS: Final = ("model.language_model.shared.weight", "model.language_model.encoder.embed_tokens.weight",
                 "model.language_model.decoder.embed_tokens.weight", "lm_head.weight")  # fmt: skip
_BIAS: Final = "language_model.final_logits_bias"
_ROWS: Final = 64


def convert(source: Path, target: Path, preset: str) -> int:
    """Fill `target` with the native model of a published folder; the number of its weights.

    Raises ModelError where a weight is missing, left over or of another shape, or a file is not there.
    """
    if preset not in PRESETS:
        raise ModelError(f"no preset {preset}; there are {', '.join(PRESETS)}")
    if target.exists() and any(target.iterdir()):
        raise ModelError(f"{target} is not empty")
    config = _config(source)
    tokenizer = _tokenizer(source, config.text_config.vocab_size)
    weights = _weights(source / WEIGHTS)
    config.image_token_id = tokenizer.convert_tokens_to_ids(_IMAGE)
    config.text_config.vocab_size = -(-len(tokenizer) // _ROWS) * _ROWS
    weights[_WORDS[0]] = _filled_up(weights[_WORDS[0]], config.text_config.vocab_size)
    _check(weights, config)
    _write(target, config, tokenizer, weights, preset)
    return sum(value.numel() for value in weights.values())


def _config(source: Path) -> Any:
    from transformers import BartConfig, Florence2Config

    try:
        said = json.loads((source / "config.json").read_text("utf-8"))
        vision, text = said["vision_config"], said["text_config"]
        kept = ("depths", "patch_size", "patch_stride", "patch_padding", "patch_prenorm", "num_heads", "num_groups",
                "window_size", "drop_path_rate", "projection_dim")  # fmt: skip
        own = {name: vision[name] for name in kept if name in vision}
        own |= {"embed_dim": vision["dim_embed"],
                "max_position_embeddings": vision["image_pos_embed"]["max_pos_embeddings"],
                "max_temporal_embeddings": vision["visual_temporal_embedding"]["max_temporal_embeddings"]}  # fmt: skip
        left_out = ("model_type", "architectures", "auto_map", "torch_dtype", "transformers_version")
        words = {name: value for name, value in text.items() if name not in left_out}
        return Florence2Config(text_config=BartConfig(**words).to_dict(), vision_config=own)
    except FileNotFoundError:
        raise ModelError(f"{source} holds no config.json", unavailable=True) from None
    except KeyError as error:
        raise ModelError(
            f"{source / 'config.json'} is no configuration as Florence-2 publishes it: no {error}"
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{source / 'config.json'} is no configuration as Florence-2 publishes it: {error}") from None


def _tokenizer(source: Path, count: int) -> Any:
    """BART's with the published tokens behind it where they are not there yet, then the image's."""
    from tokenizers import AddedToken, Tokenizer
    from transformers import PreTrainedTokenizerFast

    try:
        plain = Tokenizer.from_file(str(source / "tokenizer.json"))
    except Exception as error:  # the library has no class of its own for what it cannot read
        raise ModelError(f"{source} holds no tokenizer.json that can be read: {error}"[:200]) from None
    plain.add_special_tokens([AddedToken(token, normalized=False) for token in (*_TOKENS, _IMAGE)])
    made = PreTrainedTokenizerFast(
        tokenizer_object=plain, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
        mask_token="<mask>", extra_special_tokens={"image_token": _IMAGE},
    )  # fmt: skip
    if len(made) - 1 != count:
        raise ModelError(f"{source / 'tokenizer.json'} makes {len(made) - 1} tokens, the model has {count}")
    return made


def _weights(path: Path) -> dict[str, Tensor]:
    """The weights under the class's names, words once."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        published = load_file(path)
    except FileNotFoundError:
        raise ModelError(f"{path.parent} holds no {path.name}: only safetensors are read", unavailable=True) from None
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is damaged or no safetensors file: {str(error)[:160]}") from None
    bias = published.pop(_BIAS, None)
    if bias is not None and bool(bias.any()):
        raise ModelError(f"{path.name}: {_BIAS} is not zero, and the native class has none")
    named = {_renamed(name): value for name, value in published.items()}
    projection = "model.multi_modal_projector.image_projection.weight"
    if projection in named:
        named[projection] = named[projection].T.contiguous()
    words = [named.pop(name) for name in _WORDS if name in named]
    if not words or any(not torch.equal(words[0], other) for other in words[1:]):
        raise ModelError(f"{path.name} holds {len(words)} different matrices of words, where one is expected")
    return {_WORDS[0]: words[0], **named}


def _renamed(name: str) -> str:
    for pattern, made in _RENAMED:
        found, count = re.subn(pattern, made, name)
        if count:
            return found
    return name


def _filled_up(words: Tensor, rows: int) -> Tensor:
    if len(words) > rows:
        raise ModelError(f"the checkpoint has {len(words)} words, its tokenizer no more than {rows}")
    return torch.cat([words, words.new_zeros(rows - len(words), words.shape[1])])


def _check(weights: dict[str, Tensor], config: Any) -> None:
    """Every weight of the class is there, of its shape, and none besides."""
    from transformers import Florence2ForConditionalGeneration

    with torch.device("meta"):
        model = Florence2ForConditionalGeneration(config)
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items() if name not in _WORDS[1:]}
    # Made anew by the class from its configuration.
    fixed = {name for name, _ in model.named_buffers()}
    missing = sorted(wanted.keys() - weights.keys() - fixed)
    beyond = sorted(weights.keys() - wanted.keys())
    other = [name for name in wanted.keys() & weights.keys() if tuple(weights[name].shape) != wanted[name]]
    for what, names in (("is missing", missing), ("is not known", beyond), ("has another shape", sorted(other))):
        if names:
            raise ModelError(f"the checkpoint does not fit: {names[0]} {what}, and {len(names) - 1} more")


def _write(target: Path, config: Any, tokenizer: Any, weights: dict[str, Tensor], preset: str) -> None:
    from safetensors.torch import save_file

    target.mkdir(parents=True, exist_ok=True)
    config.dtype = weights[_WORDS[0]].dtype
    config.architectures = ["Florence2ForConditionalGeneration"]
    config.save_pretrained(target)
    tokenizer.save_pretrained(target)
    put(target / WEIGHTS, lambda part: save_file(weights, part, metadata={"format": "pt"}))
    write_description(target, PRESETS[preset], absent={}, trained=True, more={})
