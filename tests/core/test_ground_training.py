"""What a grounding model is taught, what it keeps of it, and what a stop in between changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medpipe.core.errors import ModelError
from medpipe.core.training.loop import RunOptions
from medpipe.core.vision.augment_boxes import augmented
from medpipe.core.vision.dense_boxes import DenseBoxes, spread_entropy
from medpipe.core.vision.florence import Answer, Decoding
from medpipe.core.vision.florence_new import new_florence
from medpipe.core.vision.ground_batch import IGNORED, Example, GroundBatch, join_examples, make_example
from medpipe.core.vision.ground_objective import GroundObjective, _alike, _by_answer
from medpipe.core.vision.ground_settings import GroundSettings, ground_settings
from medpipe.core.vision.ground_training import train_grounding
from medpipe.core.vision.grounding_folder import open_model
from medpipe.core.vision.location_tokens import quantise

SETTINGS = ground_settings("ground").override(
    {"side": 64, "batch": 4, "epochs": 2, "lr": 1e-3, "tower": "trained", "precision": "float32", "beams": 1,
     "tokens": 20, "warmup": 2}
)  # fmt: skip
NAMES = ("blob", "ring")
CPU = torch.device("cpu")


def picture(seed: int) -> tuple[np.ndarray, list[tuple[str, tuple[float, ...]]]]:
    """A white blob on black, and where it is; every third has none."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((40, 60), np.uint8)
    if seed % 3 == 2:
        return pixels, []
    left, top = (int(corner) for corner in rng.integers(0, 30, 2))
    pixels[top : top + 10, left : left + 20] = 255
    return pixels, [("blob", (left, top, left + 20, min(40, top + 10)))]


class Source:
    """Twelve pictures, in another order and drawn anew every epoch."""

    def __init__(self, settings: GroundSettings, tokenizer: object, *, shuffled: bool = True) -> None:
        self.settings, self.tokenizer, self.shuffled = settings, tokenizer, shuffled

    def steps(self, world: int) -> int:
        return 12 // (self.settings.batch * world)

    def batches(self, epoch: int, rank: int, world: int, skip: int = 0) -> Iterator[GroundBatch]:
        order = np.random.default_rng(epoch).permutation(12) if self.shuffled else np.arange(12)
        size = self.settings.batch
        for step in range(skip, self.steps(world)):
            rows = order[(step * world + rank) * size :][:size]
            rng = [np.random.default_rng([epoch, int(row)]) if self.shuffled else None for row in rows]
            made = [make_example(*picture(row), NAMES, self.settings, one) for row, one in zip(rows, rng, strict=True)]
            dense_only = self.shuffled and epoch < self.settings.dense_epochs
            yield join_examples(made, self.tokenizer, self.settings, None, dense_only=dense_only)


def objective(settings: GroundSettings = SETTINGS) -> GroundObjective:
    return GroundObjective(new_florence("smoke", side=settings.side, seed=3), settings, NAMES)


def trained(folder: Path, settings: GroundSettings = SETTINGS, **options: object) -> GroundObjective:
    made = objective(settings)
    source = Source(settings, made.florence.tokenizer)
    held = Source(settings, made.florence.tokenizer, shuffled=False)
    stop = options.pop("stop_after", None)
    steps = iter(range(1000))
    train_grounding(
        made, source, held, {"data": "blobs", "descriptions": {}}, folder, RunOptions(log_every=1, **options),
        should_stop=lambda: stop is not None and next(steps) + 1 >= stop,
    )  # fmt: skip
    return made


def metrics(folder: Path) -> list[dict]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "timing"} for line in lines]


def test_the_answer_is_the_name_with_its_boxes_from_the_left() -> None:
    boxes = [("blob", (40.0, 10.0, 60.0, 20.0)), ("blob", (0.0, 0.0, 30.0, 20.0))]
    stretched = SETTINGS.override({"how": "stretch"})
    pixels = np.zeros((40, 60), np.uint8)
    made = make_example(pixels, boxes, NAMES, stretched, None)
    assert made.names == ("blob", "ring") and made.answers[1] == "ring"
    assert made.answers[0] == "blob<loc_0><loc_0><loc_500><loc_500><loc_666><loc_250><loc_999><loc_500>"
    repeated = make_example(pixels, boxes, NAMES, stretched.override({"repeat_label": True, "order": "given"}), None)
    assert repeated.answers[0].startswith("blob<loc_666>") and repeated.answers[0].count("blob") == 2


def test_without_negatives_only_what_is_there_is_asked() -> None:
    one = SETTINGS.override({"negatives": 0})
    assert make_example(*picture(0), NAMES, one, None).names == ("blob",)
    assert make_example(*picture(0), NAMES, one, np.random.default_rng(0)).names == ("blob",)
    assert make_example(*picture(2), NAMES, SETTINGS, np.random.default_rng(0)).answers in (("blob",), ("ring",))


@given(st.integers(0, 10**6))
def test_boxes_go_with_the_pixels_that_they_are_around(seed: int) -> None:
    pixels, boxes = picture(3 * seed)
    corners = np.array([box for _, box in boxes], float)
    lively = SETTINGS.override({"crop": 0.5, "flips": True})
    changed, moved, kept = augmented(pixels, corners, lively, np.random.default_rng(seed))
    assert kept.all() and len(moved) == 1
    rows, columns = np.nonzero(changed)
    np.testing.assert_allclose(moved[0], [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def test_the_loss_is_the_cross_entropy_of_transformers() -> None:
    made = objective()
    (batch,) = list(Source(SETTINGS.override({"batch": 12}), made.florence.tokenizer, shuffled=False).batches(0, 0, 1))
    made.eval()
    ours = made(batch)["loss"]
    # By the class itself, each query with a picture of its own.
    mark = made.florence.tokenizer.convert_tokens_to_ids("<image>")
    count = made.florence.encode(np.zeros((64, 64, 3), np.uint8)).shape[1]
    marks = torch.full((len(batch.prompts), count), mark)
    values = (batch.pixels.float() / 255 - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(3, 1, 1)
    theirs = made.model(
        input_ids=torch.cat([marks, batch.prompts], 1), pixel_values=values[batch.image],
        attention_mask=torch.cat([torch.ones_like(marks), batch.mask], 1), labels=batch.answers,
    ).loss  # fmt: skip
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    assert (batch.answers == IGNORED).any()


def test_a_location_is_spread_over_its_neighbours() -> None:
    logs = torch.log_softmax(torch.randn(1, 1000, generator=torch.Generator().manual_seed(0)), 1)
    law = np.exp(-((np.arange(1000) - 3.0) ** 2) / 8)
    expected = -(law / law.sum() * logs[0].numpy()).sum()
    assert float(spread_entropy(logs, torch.tensor([3]), 2)) == pytest.approx(expected, rel=1e-5)
    assert float(spread_entropy(logs, torch.tensor([3]), 0)) == pytest.approx(-float(logs[0, 3]))


def test_every_answer_counts_alike_where_that_is_asked() -> None:
    assert float(_by_answer(torch.tensor([4.0, 1.0, 2.0, 3.0]), torch.tensor([1, 3]))) == 3.0


@given(st.lists(st.integers(1, 90), min_size=1, max_size=12))
def test_answers_of_a_length_are_read_together_and_none_is_lost(lengths: list[int]) -> None:
    groups = _alike(torch.tensor(lengths))
    assert sorted(torch.cat(groups).tolist()) == list(range(len(lengths))) and len(groups) <= 2


def test_grouping_answers_changes_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    made = objective(SETTINGS.override({"location_spread": 2, "balance": "answers"})).eval()
    batch = next(Source(made.settings, made.florence.tokenizer).batches(0, 0, 1))
    grouped = {name: float(value) for name, value in made(batch).items()}
    monkeypatch.setattr("medpipe.core.vision.ground_objective._alike", lambda lengths: [torch.arange(len(lengths))])
    assert grouped == pytest.approx({name: float(value) for name, value in made(batch).items()}, rel=1e-5)


def test_locations_are_read_together_where_they_are_likelier_than_any_word() -> None:
    florence = new_florence("smoke", side=64)
    logits = torch.full((1, len(florence.tokenizer)), -20.0)
    first = florence.tokenizer.convert_tokens_to_ids("<loc_0>")
    logits[0, first : first + 10] = 0.0
    logits[0, 2] = 1.0
    assert int(logits.argmax()) == 2 and first <= int(florence._places_first(None, logits).argmax()) < first + 10
    logits[0, 2] = 3.0
    assert int(florence._places_first(None, logits).argmax()) == 2


def test_dense_targets_stand_where_the_middle_is() -> None:
    example = make_example(*picture(0), NAMES, SETTINGS, None)
    middle, edges = DenseBoxes(8, NAMES, 64, 32, 0).targets([example])
    (box,) = example.there
    column, row = (int((box[k] + box[k + 2]) / 2 // 32) for k in (0, 1))
    assert middle.nonzero().tolist() == [[0, row * 2 + column, 0]]
    assert edges[0, row * 2 + column].tolist() == quantise(example.there, (64, 64))[0].tolist()
    assert int((edges >= 0).any(dim=-1).sum()) == 1


def test_by_the_dense_loss_alone_only_the_tower_learns() -> None:
    made = objective(SETTINGS.override({"dense_weight": 0.5, "dense_epochs": 1}))
    batch = next(Source(made.settings, made.florence.tokenizer).batches(0, 0, 1))
    losses = made(batch)
    assert set(losses) == {"loss", "dense"} and float(losses["loss"]) == pytest.approx(0.5 * float(losses["dense"]))
    losses["loss"].backward()
    assert all(one.grad is None for one in made.model.get_decoder().parameters())
    assert any(one.grad is not None for one in made.model.get_encoder(modality="image").parameters())
    assert {"location", "words"} < set(made(next(Source(made.settings, made.florence.tokenizer).batches(1, 0, 1))))


def test_a_stopped_training_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    lively = SETTINGS.override({"crop": 0.3, "flips": True, "levels": 0.2, "dense_weight": 1, "dense_epochs": 1})
    whole = trained(tmp_path / "whole", lively)
    trained(tmp_path / "cut", lively, stop_after=2)
    again = trained(tmp_path / "cut", lively, resume=True)
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "cut") and len(metrics(tmp_path / "whole")) == 8
    for name, value in whole.whole_weights().items():
        assert torch.equal(value, again.whole_weights()[name])
    with pytest.raises(ModelError, match="another run"):
        trained(tmp_path / "cut", lively.override({"lr": 2e-3}), resume=True)


def test_what_is_written_is_opened_by_us_and_by_transformers(tmp_path: Path) -> None:
    made = trained(tmp_path)
    opened = open_model(str(tmp_path), None)
    assert opened.calibrated == set(NAMES) and opened.facts["name"] == tmp_path.name and opened.descriptions == {}
    assert opened.preset.side == 64 and opened.preset.template == "plain"
    pixels = np.full((64, 64, 3), 90, np.uint8)
    last = open_model(str(tmp_path / "last"), None)
    for florence in (last.florence, made.florence):
        florence.model.eval()
    answers = [
        one.ask(one.encode(pixels), ["blob"], ["blob"], Decoding(1, 8)) for one in (last.florence, made.florence)
    ]
    assert answers[0][0].text == answers[1][0].text
    assert answers[0][0].present == pytest.approx(answers[1][0].present, abs=1e-6)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "last").iterdir()}
    assert len(modes) == 1
    from transformers import Florence2ForConditionalGeneration

    plain = Florence2ForConditionalGeneration.from_pretrained(tmp_path / "last")
    assert torch.equal(plain.lm_head.weight, made.model.lm_head.weight)


def test_only_findings_that_were_asked_where_they_are_not_are_calibrated(tmp_path: Path) -> None:
    settings = SETTINGS.override({"negatives": 0.0})
    made = objective(settings)
    asked = [make_example(*picture(0), NAMES, settings, np.random.default_rng(0))]
    made(join_examples(asked, made.florence.tokenizer, settings, None))
    made.eval()(
        join_examples([make_example(*picture(2), NAMES, SETTINGS, None)], made.florence.tokenizer, settings, None)
    )
    assert not any(made.absent.values()), "there, or not in training"
    made.train()(
        join_examples([make_example(*picture(0), NAMES, SETTINGS, None)], made.florence.tokenizer, settings, None)
    )
    assert dict(made.absent) == {"ring": 1}
    again = objective(settings)
    again.load_trained_state(made.trained_state())
    assert again.absent["ring"] == 1
    old = {name: value for name, value in made.trained_state().items() if name != "asked_absent"}
    again.load_trained_state(old)
    assert not again.absent["ring"]


def test_a_checkpoint_of_before_tells_of_all_findings_together(tmp_path: Path) -> None:
    trained(tmp_path, max_steps=1)
    path = tmp_path / "last/medpipe.json"
    said = json.loads(path.read_text())
    del said["asked_absent"]
    for calibrated, expected in ((True, set(NAMES)), (False, set())):
        path.write_text(json.dumps(said | {"calibrated": calibrated}))
        assert open_model(str(tmp_path / "last"), None).calibrated == expected


def test_what_a_kill_left_of_a_model_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "last").mkdir()
    (tmp_path / "last/config.json").write_text('{"model_ty')
    trained(tmp_path)
    assert open_model(str(tmp_path / "last"), None).facts["trained"]


def test_adapters_are_merged_and_nothing_else_has_changed(tmp_path: Path) -> None:
    settings = SETTINGS.override({"lora_rank": 4, "lr": 1e-2, "tower": "frozen"})
    before = objective(settings).whole_weights()
    made = trained(tmp_path, settings)
    pixels = np.full((64, 64, 3), 90, np.uint8)
    opened = open_model(str(tmp_path / "last"), None).florence
    made.eval()
    one, other = (f.ask(f.encode(pixels), ["blob"], ["blob"], Decoding(1, 8))[0] for f in (opened, made.florence))
    assert one.text == other.text and one.present == pytest.approx(other.present, abs=1e-5)
    after = opened.model.state_dict()
    changed = {name for name, value in before.items() if name in after and not torch.equal(value, after[name])}
    assert changed and all(name.rsplit(".", 2)[1] in ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
                           for name in changed)  # fmt: skip
    state = torch.load(tmp_path / "state.pt", weights_only=True)["objective"]
    assert all("lora_" in name for name in state if name != "asked_absent")


def test_a_frozen_tower_stays_as_it_was(tmp_path: Path) -> None:
    settings = SETTINGS.override({"tower": "frozen"})
    before = {name: value.clone() for name, value in objective(settings).whole_weights().items()}
    after = trained(tmp_path, settings).whole_weights()
    tower = [name for name in before if "vision_tower" in name]
    assert tower and all(torch.equal(before[name], after[name]) for name in tower)
    assert not torch.equal(before["lm_head.weight"], after["lm_head.weight"])


def test_validation_measures_boxes_where_they_choose() -> None:
    made = objective(SETTINGS.override({"selection": "ap50"}))
    source = Source(made.settings, made.florence.tokenizer, shuffled=False)
    found = made.validate(source.batches(0, 0, 1), CPU, torch.autocast("cpu", enabled=False))
    assert found["ap50"] == 0 and made.higher_is_better and found["loss"] > 1
    examples = [example for batch in source.batches(0, 0, 1) for example in batch.examples]
    perfect = [made._image(one, [_told(one, name) for name in one.names]) for one in examples]
    assert made._ap50(perfect) == {"ap50": pytest.approx(1), "ap50:blob": pytest.approx(1)}


def _told(example: Example, name: str) -> Answer:
    """The answer that names the very bins of a finding's boxes."""
    bins = quantise(example.there[[label == name for label in example.labels]], (64, 64)).tolist()
    return Answer([(name, tuple(box), 1.0) for box in bins])
