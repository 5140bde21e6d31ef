"""The recall task: pictures, prompts, and a model that trains on them and goes on where it was cut off."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from medpipe.core.kv.decoder import open_decoder
from medpipe.core.kv.recall_model import IMAGE, TOKENS, recall_processor
from medpipe.core.kv.recall_objective import RecallPlan, Stage, draw_batch
from medpipe.core.kv.recall_task import DIGITS, LETTERS, SIDE, TILE, asked, draw
from medpipe.core.kv.train_recall import main, trained
from medpipe.core.training.loop import Line, RunOptions

WORDS = {place: word for word, place in TOKENS.items()}


def test_a_tile_says_the_same_pair_wherever_it_is() -> None:
    drawn = draw(3, 8, np.random.default_rng(0))
    assert len(drawn.digits) == len(set(drawn.places)) == 24 and np.array_equal(
        drawn.places // SIDE**2, [0] * 8 + [1] * 8 + [2] * 8
    )
    again = draw(3, 8, np.random.default_rng(0))
    assert np.array_equal(drawn.pixels, again.pixels) and drawn.digits == again.digits
    tiles = drawn.pixels.reshape(3, SIDE, TILE, SIDE, TILE).swapaxes(2, 3).reshape(-1, TILE, TILE)[drawn.places] > 128
    for half, said in ((tiles[:, :, :4], list(drawn.digits)), (tiles[:, :, 4:], list(drawn.digits.values()))):
        looks = {sign: {one.tobytes() for one, other in zip(half, said, strict=True) if other == sign} for sign in said}
        assert all(len(shapes) == 1 for shapes in looks.values())
        assert len(set.union(*looks.values())) == len(looks)
    with pytest.raises(ValueError, match="more than 26 letters"):
        draw(7, 4, np.random.default_rng(0))


def test_every_pair_is_asked_for_and_answered_by_its_tile() -> None:
    stage = Stage(1, 2, images=2, pairs=3, others=5)
    batch = draw_batch(stage, np.random.default_rng(0))
    assert batch.pixels.shape == (4, 3, SIDE * TILE, SIDE * TILE) and len(batch) == 2
    images = batch.tokens == TOKENS[IMAGE]
    assert int(images.sum()) == len(batch.seen) == 2 * 2 * 8 and not bool((batch.targets[images] != -100).any())
    assert set(batch.said[0].tolist()) <= set(batch.seen.tolist())
    pairs = {(LETTERS[one], DIGITS[other]) for one, other in zip(*(x.tolist() for x in batch.said[1:]), strict=True)}
    told = [WORDS[one] for one in batch.targets[batch.targets != -100].tolist()]
    assert set(zip(told[::3], told[1::3], strict=True)) == pairs and set(told[2::3]) == {"<end>"}


def test_the_processor_makes_what_training_sees() -> None:
    batch = draw_batch(Stage(1, 1, images=2, pairs=3, others=SIDE**2 - 3), np.random.default_rng(5))
    drawn = draw(2, 3, np.random.default_rng(5))
    letter = WORDS[int(batch.targets[batch.targets != -100][0])]
    made = recall_processor()(
        text=[f"{IMAGE}\n" * 2 + asked(letter, "0")[0]], images=[np.stack([one] * 3, -1) for one in drawn.pixels],
        return_tensors="pt",
    )  # fmt: skip
    assert torch.allclose(made["pixel_values"], batch.pixels, atol=1e-6)
    assert torch.equal(made["input_ids"][0], batch.tokens[0, : made["input_ids"].shape[1]])


def test_a_training_that_was_cut_off_ends_the_same(tmp_path: Path) -> None:
    plan = RecallPlan(epoch_steps=2)
    options = RunOptions(log_every=1, checkpoint_every=1, max_steps=2, resume=True)

    def cut(line: Line) -> None:
        if line["step"] == 2:
            raise KeyboardInterrupt

    whole = trained(plan, tmp_path / "whole", options)
    with pytest.raises(KeyboardInterrupt):
        trained(plan, tmp_path / "cut", options, cut)
    again = trained(plan, tmp_path / "cut", options)
    for (name, one), other in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


def test_what_is_left_is_opened_and_asked(tmp_path: Path) -> None:
    main(["--out", str(tmp_path), "--steps", "1", "--requests", "2"])
    decoder = open_decoder(str(tmp_path))
    first, second = map(json.loads, (tmp_path / "requests.jsonl").read_text().splitlines())
    assert first["id"] != second["id"] and first["images"] != second["images"]
    prompt = decoder.prompts.encode(first["prompt"], [np.zeros((64, 64), np.uint8)] * len(first["images"]))
    assert (prompt.images, int(prompt.visual.sum()), prompt.tokens) == (6, 6 * 64, 6 * 65 + 6)
    said = decoder.tokenizer(first["answer"], add_special_tokens=False)["input_ids"]
    assert decoder.tokenizer.decode(said) == first["answer"] and len(said) == 2
