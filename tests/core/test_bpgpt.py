"""BP-GPT: its published sizes, what its prompts depend on, its losses, and a training that is cut and gone on with."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from medpipe.core.errors import ModelError
from medpipe.core.fmri.bpgpt_batch import WindowBatch, padded
from medpipe.core.fmri.bpgpt_folder import open_bpgpt
from medpipe.core.fmri.bpgpt_objective import NLL, BrainObjective, TextObjective
from medpipe.core.fmri.bpgpt_settings import BpGptSettings, bpgpt_settings
from medpipe.core.fmri.bpgpt_training import Learnt, train_bpgpt
from medpipe.core.fmri.brain_encoder import BrainEncoder
from medpipe.core.fmri.contrast import contrast
from medpipe.core.fmri.language_models import open_bert, open_lm
from medpipe.core.fmri.matched_noise import VoxelNoise
from medpipe.core.fmri.story_leaks import grams, leak
from medpipe.core.fmri.text_prompt import TextMapper
from medpipe.core.training.loop import Outcome, RunOptions
from medpipe.core.training.patience import Patience
from medpipe.core.training.schedule import learning_rate

TEXTS = ["so i went home", "the dog ran to the old house", "she said no", "we saw a red door and left it there"]
WINDOWS = [[text, "", "so we left"] for text in TEXTS] * 2
SMALL = bpgpt_settings("bp-gpt-fixed").override(
    {"epochs": 2, "batch": 4, "length": 4, "layers": 1, "heads": 4, "between": 16, "tokens": 24, "lr": 1e-3,
     "precision": "float32", "warmup": 2}
)  # fmt: skip
TIMES, VOXELS = 3, 5


def parts(settings: BpGptSettings = SMALL) -> tuple[TextObjective, BrainObjective, torch.Tensor]:
    """Both objectives over the same language model, and the vectors of WINDOWS' texts."""
    lm, _ = open_lm("small", TEXTS, 0)
    bert, _ = open_bert("small", TEXTS, 0)
    torch.manual_seed(0)
    common = {"length": settings.length, "layers": settings.layers, "heads": settings.heads}
    mapper = TextMapper(bert.dim, lm.width, between=settings.between, **common)
    encoder = BrainEncoder(TIMES, VOXELS, lm.width, dropout=settings.brain_dropout, **common)
    vectors = bert.vectors([" ".join(filter(None, window)) for window in WINDOWS])
    brain = BrainObjective(copy.deepcopy(lm), copy.deepcopy(mapper), encoder, settings)
    return TextObjective(lm, mapper, settings), brain, vectors


class Source:
    """WINDOWS with responses that are theirs, in another order every epoch."""

    def __init__(self, objective: TextObjective | BrainObjective, vectors: torch.Tensor) -> None:
        told = [objective.lm.texts.ids(window, SMALL.tokens, ended=True)[0] for window in WINDOWS]
        self.targets, self.vectors = padded(told), vectors
        self.responses = torch.randn(len(WINDOWS), TIMES, VOXELS, generator=torch.Generator().manual_seed(1))

    def steps(self, world: int) -> int:
        return len(WINDOWS) // (SMALL.batch * world)

    def batches(self, epoch: int, rank: int, world: int, skip: int = 0) -> Iterator[WindowBatch]:
        order = np.random.default_rng(epoch).permutation(len(WINDOWS))
        for step in range(skip, self.steps(world)):
            rows = order[(step * world + rank) * SMALL.batch :][: SMALL.batch]
            yield WindowBatch(self.targets[rows], self.vectors[rows], self.responses[rows])


@pytest.mark.parametrize(("voxels", "count"), [(836, 38_525_864), (2093, 39_503_810), (1303, 38_889_190)])
def test_the_encoder_has_the_published_size(voxels: int, count: int) -> None:
    with torch.device("meta"):
        encoder, mapper = BrainEncoder(10, voxels), TextMapper()
    assert sum(one.numel() for one in encoder.parameters()) == count
    assert sum(one.numel() for one in mapper.parameters()) == 38_662_400
    assert encoder(torch.empty(2, 10, voxels, device="meta")).shape == (2, 100, 768)


def test_windows_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"windows of \(10, 5\), the encoder is for \(3, 5\)"):
        BrainEncoder(3, 5, 8, 2, 1, 2)(torch.zeros(1, 10, 5))


def test_a_texts_vector_does_not_depend_on_its_neighbours() -> None:
    bert, _ = open_bert("small", TEXTS, 0)
    together = bert.vectors([*TEXTS, ""])
    for row, text in enumerate([*TEXTS, ""]):
        torch.testing.assert_close(together[row], bert.vectors([text])[0], rtol=1e-5, atol=1e-6)


def test_a_text_as_long_as_can_be_is_whole_and_its_marks_are_those_that_end_it() -> None:
    lm, _ = open_lm("small", TEXTS, 0)
    volumes = [" ".join(["dog"] * 125)]
    ids, cut = lm.texts.ids(volumes, 128, ended=True)
    assert len(ids) == 128 and not cut and ids[-1] == lm.texts.end and ids[-2] == lm.texts.mark
    assert lm.texts.ids([volumes[0] + " dog"], 128, ended=True)[1]
    for window in WINDOWS:
        ids, _ = lm.texts.ids(window, 128, ended=False)
        assert ids.count(lm.texts.mark) == len(window) and ids[-1] == lm.texts.mark
    loss = lm(torch.randn(1, 4, lm.width), padded([lm.texts.ids(volumes, 128, ended=True)[0]]))
    assert torch.isfinite(loss) and loss > 0


def test_padding_and_prompt_are_not_counted() -> None:
    text, _, vectors = parts()
    text.eval()
    told = [text.lm.texts.ids(window, 24, ended=True)[0] for window in WINDOWS[:2]]
    prompt = text.mapper(vectors[:2])
    each = [text.lm(prompt[row : row + 1], padded([told[row]])) * len(told[row]) for row in range(2)]
    joined = text.lm(prompt, padded(told)) * sum(map(len, told))
    torch.testing.assert_close(joined, sum(each))


def test_frozen_parts_have_no_gradient_and_no_dropout() -> None:
    _, brain, vectors = parts()
    source = Source(brain, vectors)
    brain.train()
    batch = next(iter(source.batches(0, 0, 1)))
    assert not any(part.training for part in [*brain.lm.modules(), *brain.mapper.modules()])
    brain(batch)["loss"].backward()
    assert all(one.grad is None for one in [*brain.lm.parameters(), *brain.mapper.parameters()])
    assert all(one.grad is not None for one in brain.encoder.parameters())
    assert {name.split(".")[0] for name in brain.trained_state()} == {"encoder"}


def test_the_first_stage_has_a_loss_that_falls() -> None:
    text, _, vectors = parts()
    batch = WindowBatch(*(getattr(Source(text, vectors), name) for name in ("targets", "vectors")))
    optimiser = torch.optim.AdamW(text.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        optimiser.zero_grad()
        loss = text.train()(batch)["loss"]
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[0] > 0 and losses[-1] < 0.8 * losses[0]


def test_the_released_contrast_is_that_of_its_definition() -> None:
    brain, text = torch.randn(3, 2, 4), torch.randn(3, 2, 4)
    z = torch.cat([brain.flatten(1), text.flatten(1)]).double()
    s = torch.exp((z @ z.T) / (z**2).sum(1)[:, None] / 0.5)
    pairs = [(i, j) for i in range(6) for j in range(6) if i != j and not (i > 2 and j > 2)]
    expected = -torch.log(sum(s[3 + i, i] for i in range(3)) / sum(s[i, j] for i, j in pairs))
    assert float(contrast(brain, text, "released", 0.5)) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("form", ["released", "paper", "cosine"])
def test_contrast_is_finite_and_pulls_to_the_own_text(form: str) -> None:
    text = torch.randn(4, 2, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    far = (10 * torch.randn(4, 2, 8, generator=torch.Generator().manual_seed(1))).requires_grad_()
    # A ratio of a hundred, divided by the temperature.
    for brain in (far, (100 * text.detach()).requires_grad_()):
        loss = contrast(brain, text, form, 0.1)
        loss.backward()
        assert torch.isfinite(loss) and torch.isfinite(brain.grad).all()
    assert text.grad is None
    if form != "released":
        assert contrast(text.detach(), text, form) < contrast(far, text, form)


def test_linear_rates_rise_and_fall_in_straight_lines() -> None:
    settings = SMALL.override({"warmup": 4, "lr": 1.0})
    assert [round(learning_rate(settings, step, 12), 3) for step in (0, 3, 4, 8, 12)] == [0.25, 1, 1, 0.5, 0]


def trained(
    folder: Path, stage: str = "brain", stop_after: int = 100, settings: BpGptSettings = SMALL, **options: object
) -> Outcome:
    text, brain, vectors = parts(settings)
    objective = brain if stage == "brain" else text
    source = Source(objective, vectors)
    shape = {"given": 64, "width": 64} if stage == "text" else {"times": TIMES, "voxels": VOXELS, "width": 64}
    noise = VoxelNoise.of(source.responses.numpy()) if stage == "brain" else None
    learnt = Learnt({"prompt": shape, "shape": [TIMES, VOXELS]}, {"a": grams(TEXTS[0].split())}, noise)
    asked = iter(range(1, 1000))
    return train_bpgpt(
        objective, source, source, learnt, folder, RunOptions(log_every=1, **options),
        should_stop=lambda: next(asked) >= stop_after,
    )  # fmt: skip


def metrics(folder: Path) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "timing"} for line in lines]


@pytest.mark.parametrize("stage", ["text", "brain"])
def test_a_training_that_was_cut_ends_with_the_same_bytes(tmp_path: Path, stage: str) -> None:
    trained(tmp_path / "whole", stage)
    trained(tmp_path / "cut", stage, stop_after=1)
    assert len(metrics(tmp_path / "cut")) == 1
    trained(tmp_path / "cut", stage, resume=True)
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "cut")
    for name in ("last/prompt.safetensors", "best/prompt.safetensors", "last/lm/model.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()
    # What is told the true words is a loss, and never looks like a score of text.
    for line in metrics(tmp_path / "whole"):
        assert NLL in line and not {"bleu", "wer", "meteor", "accuracy"} & line.keys()
    opened = open_bpgpt(str(tmp_path / "whole"))
    assert (
        opened.said["stage"] == stage and set(opened.stories) == {"a"} and (opened.noise is None) == (stage == "text")
    )
    same = parts()[stage == "brain"]
    same.load_trained_state(torch.load(tmp_path / "whole/state.pt", weights_only=True)["objective"])
    last = open_bpgpt(str(tmp_path / "whole/last"))
    for name, value in last.lm.model.state_dict().items():
        torch.testing.assert_close(value, same.lm.model.state_dict()[name])


def test_a_run_that_has_waited_long_enough_is_over(tmp_path: Path) -> None:
    settings = SMALL.override({"lr": 0, "patience": 1, "epochs": 9})
    first = trained(tmp_path / "m", settings=settings)
    assert (first.status, first.step) == ("finished", 4)
    told, state = (tmp_path / "m/metrics.jsonl").read_bytes(), (tmp_path / "m/state.pt").stat().st_mtime_ns
    assert trained(tmp_path / "m", settings=settings, resume=True) == first
    assert (tmp_path / "m/metrics.jsonl").read_bytes() == told and (tmp_path / "m/state.pt").stat().st_mtime_ns == state
    # A kill after the last validation and before its state: what came after the state is done again.
    trained(tmp_path / "cut", settings=settings, stop_after=3, checkpoint_every=3)
    with (tmp_path / "cut/metrics.jsonl").open("ab") as log:
        log.writelines(told.splitlines(keepends=True)[-2:])
    assert trained(tmp_path / "cut", settings=settings, resume=True) == first
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "m")


def test_a_finished_run_goes_on_where_its_rates_do_not_end_with_it(tmp_path: Path) -> None:
    steady = SMALL.override({"schedule": "constant"})
    trained(tmp_path / "whole", settings=steady)
    trained(tmp_path / "longer", settings=steady.override({"epochs": 1}))
    assert trained(tmp_path / "longer", settings=steady, resume=True).step == 4
    assert metrics(tmp_path / "longer") == metrics(tmp_path / "whole")
    trained(tmp_path / "steps", settings=steady, max_steps=1)
    trained(tmp_path / "steps", settings=steady, max_steps=4, resume=True)
    for name in ("best", "last"):
        whole = (tmp_path / f"whole/{name}/prompt.safetensors").read_bytes()
        assert (tmp_path / f"longer/{name}/prompt.safetensors").read_bytes() == whole
        assert (tmp_path / f"steps/{name}/prompt.safetensors").read_bytes() == whole or name == "best"
        run = [
            json.loads((tmp_path / f"{folder}/{name}/medpipe.json").read_text())["run"]
            for folder in ("whole", "longer")
        ]
        assert run[0] == run[1]
    trained(tmp_path / "falls", settings=SMALL.override({"epochs": 1}))
    with pytest.raises(ModelError, match="belongs to another run"):
        trained(tmp_path / "falls", resume=True)


def test_a_folder_that_is_damaged_is_said(tmp_path: Path) -> None:
    trained(tmp_path / "m", max_steps=1)
    (tmp_path / "m/last/medpipe.json").write_text("{")
    for which in ("best", "none"):
        with pytest.raises(ModelError):
            (tmp_path / "m/best/prompt.safetensors").write_bytes(b"\0" * 9)
            open_bpgpt(str(tmp_path / "m" / which))
    with pytest.raises(ModelError, match="cannot be read as JSON"):
        open_bpgpt(str(tmp_path / "m/last"))


def test_patience_counts_validations_without_a_better_one() -> None:
    made = Patience(2, NLL)
    for step, value in ((1, 3.0), (2, 2.0), (3, 2.5)):
        made.note({"split": "val", "step": step, NLL: value})
    made.note({"split": "train", "step": 4, NLL: 9.0})
    assert not made.over
    made.note({"split": "val", "step": 4, NLL: 2.0})
    assert made.over


def test_noise_has_the_voxels_mean_spread_and_memory() -> None:
    rng = np.random.default_rng(0)
    known = VoxelNoise(np.array([0, 50], "f4"), np.array([1, 3], "f4"), np.array([0, 0.6], "f4"))
    found = VoxelNoise.of(known.draw(10, rng) for _ in range(3000))
    np.testing.assert_allclose(found.mean, known.mean, atol=0.15)
    np.testing.assert_allclose(found.spread, known.spread, rtol=0.03)
    np.testing.assert_allclose(found.memory, known.memory, atol=0.03)
    silent = VoxelNoise.of([np.zeros((10, 2), "f4")]).draw(5, rng)
    assert not silent.any()


def test_a_story_under_another_name_is_found_by_its_words() -> None:
    words = [f"w{number}" for number in range(60)]
    learnt = {"one": grams(words)}
    assert leak("one", grams(["other"]), learnt) == "one is in both"
    assert "100% of its runs of 8 words in common with one" in str(leak("two", grams(words), learnt))
    assert leak("two", grams(words[:20] + ["x"] * 20), learnt)
    assert leak("two", grams(words[::-1]), learnt) is None and leak("two", grams([]), learnt) is None
