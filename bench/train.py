"""Pre-training of MERL's ResNet-18, records per second: `ecg-train` against the loop that MERL has published.

Both train the same network with the same losses, batch and optimiser on two threads, on PTB-XL recordings of 500 Hz.
The published loop reads prepared windows from one large array (int16, divided by 1000), tokenises each report to 256
pieces and runs its frozen text encoder, of BERT's base size, on every batch of every epoch; what it computes never
changes. `ecg-train` reads, checks and prepares the WFDB files themselves in a second process and reads text vectors
that were made once (the time that takes, a pass over the different reports, is in the table). Weights of the text
encoder are random: its cost does not depend on them.

Usage: python bench/train.py, MEDPIPE_DATA set
"""

from __future__ import annotations

import csv
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "2"

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch.utils.data import DataLoader, Dataset
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from medpipe.cli.training_index import TableOptions, TrainingIndex, build_index, list_recordings
from medpipe.cli.training_source import RecordingBatches
from medpipe.cli.training_text import text_vectors
from medpipe.core.ecg.objective_merl import MerlObjective, MerlPlan
from medpipe.core.ecg.presets import PRESETS
from medpipe.core.ecg.train_batch import Batch
from medpipe.core.text_embed import PretrainedText

BATCH = 8
STEPS = 8
PTBXL = Path(os.environ["MEDPIPE_DATA"]) / "ecg/ptbxl_raw"


def text_model(folder: Path) -> Path:
    """A BERT of MedCPT's size with random weights and a tokenizer of its own, as a folder of transformers."""
    words = sorted({word for row in reports() for word in row["report"].lower().split()})
    pieces = {word: place for place, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    plain = Tokenizer(models.WordLevel(pieces, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    plain.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(BertConfig()).save_pretrained(folder)
    return folder


def reports() -> list[dict[str, str]]:
    with (PTBXL / "ptbxl_database.csv").open(encoding="utf-8", newline="") as lines:
        return [row for row in csv.DictReader(lines) if (PTBXL / f"{row['filename_hr']}.hea").exists()]


class Prepared(Dataset):
    """The published data set: one array, one table of texts."""

    def __init__(self, array: Path, texts: list[str]) -> None:
        self.signals, self.texts = np.load(array, mmap_mode="r"), texts

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, str]:
        return torch.from_numpy(self.signals[row] / 1000).float(), self.texts[row]


def trainer(width: int) -> tuple[MerlObjective, Callable[[Batch], None]]:
    """The network with one training step: MERL's losses, AdamW."""
    torch.manual_seed(0)
    objective = MerlObjective(MerlPlan(text=width)).train()
    trained = [one for one in objective.parameters() if one.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-3, weight_decay=1e-8)

    def step(batch: Batch) -> None:
        optimiser.zero_grad()
        objective(batch)["loss"].backward()
        optimiser.step()

    return objective, step


def rate(batches: Callable[[], object], step: Callable[[Batch], None]) -> float:
    """Records per second over STEPS steps, the first apart."""
    done, began = 0, 0.0
    while done <= STEPS:
        for batch in batches():
            step(batch)
            if done == 0:
                began = time.perf_counter()
            done += 1
            if done > STEPS:
                break
    return STEPS * BATCH / (time.perf_counter() - began)


def published(folder: Path, text: Path, index: TrainingIndex) -> float:
    """MERL's loop."""
    encoder = PretrainedText(str(text), "cpu")
    source = RecordingBatches(index, PRESETS["merl"], None, len(index.items), 0, 0, shuffled=False)
    (whole,) = source.batches(0, 0, 1)
    np.save(folder / "signals.npy", (whole.signals.numpy() * 1000).astype(np.int16))
    loader = DataLoader(
        Prepared(folder / "signals.npy", [index.texts[place] for place in index.text_of]), BATCH, shuffle=True,
        drop_last=True, num_workers=1,
    )  # fmt: skip
    _, step = trainer(encoder.dim)

    def batches() -> Iterator[Batch]:
        for signals, texts in loader:
            read = encoder._tokenizer(
                list(texts), padding="max_length", truncation=True, max_length=256, return_tensors="pt"
            )
            with torch.no_grad():
                vectors = encoder._model(**read).pooler_output
            yield Batch(signals, torch.ones(len(signals), 12, dtype=torch.bool), vectors.clone())

    return rate(batches, step)


def ours(folder: Path, text: Path, index: TrainingIndex) -> tuple[float, float]:
    """ecg-train's batches and step, and the seconds that all text vectors took."""
    encoder = PretrainedText(str(text), "cpu")
    began = time.perf_counter()
    vectors = text_vectors(encoder, index.texts, folder, quiet=True)
    spent = time.perf_counter() - began
    source = RecordingBatches(index, PRESETS["merl"], vectors, BATCH, 0, 1)
    _, step = trainer(encoder.dim)
    epochs = iter(range(1000))
    return rate(lambda: source.batches(next(epochs), 0, 1), step), spent


def main() -> None:
    torch.set_num_threads(2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = text_model(folder / "text")
        listing = folder / "list"
        listing.write_text("".join(f"{PTBXL / row['filename_hr']}.hea\n" for row in reports()))
        table = TableOptions(str(PTBXL / "ptbxl_database.csv"), "filename_hr", ["report"], "patient_id", 1)
        index = build_index(list_recordings([], str(listing))[0], table, None, texts=True)
        theirs = published(folder, text, index)
        own, spent = ours(folder, text, index)
    print("| loop | records per second |")
    print("| --- | --- |")
    print(f"| MERL's published loop | {theirs:.2f} |")
    print(f"| ecg-train | {own:.2f} |")
    print(f"\n{own / theirs:.2f} times. Text vectors of {len(index.texts)} different reports: {spent:.1f} s, once.")


if __name__ == "__main__":
    main()
