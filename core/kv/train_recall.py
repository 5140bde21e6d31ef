"""Trains the recall model: `python -m medpipe.core.kv.train_recall --out DIR`, in minutes on a CPU, with held-out
requests for `kv-profile sweep DIR/requests.jsonl --model DIR`.
"""

from __future__ import annotations

import argparse
import base64
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import save_model
from transformers.utils.logging import disable_progress_bar

from medpipe.core.kv.recall_model import recall_processor
from medpipe.core.kv.recall_objective import STAGES, RecallObjective, RecallPlan, RecallPrompts
from medpipe.core.kv.recall_task import asked, draw
from medpipe.core.training.durable import put
from medpipe.core.training.loop import Line, RunOptions, Which, train

log = logging.getLogger("train_recall")
REQUESTS: Final = 240
# Of the seeds of prompts: no training batch has it.
_HELD_OUT: Final = 1_000_003


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, write the model, and the requests."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the model and, below it, the run")
    parser.add_argument("--resume", action="store_true", help="go on from the state in --out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, help="end after so many")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="how many prompts are held out")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    disable_progress_bar()
    run = RunOptions(resume=options.resume, log_every=25, max_steps=options.steps)
    objective = trained(RecallPlan(seed=options.seed), options.out / "run", run, _tell)
    objective.network.save_pretrained(options.out)
    recall_processor().save_pretrained(options.out)
    lines = [json.dumps(one) + "\n" for one in requests(options.requests, options.seed)]
    _write(options.out / "requests.jsonl", "".join(lines))
    log.info("the model and %d requests are in %s", len(lines), options.out)


def trained(
    plan: RecallPlan, folder: Path, options: RunOptions, tell: Callable[[Line], None] = lambda line: None
) -> RecallObjective:
    """The model after its training, in eval mode; `folder` gets what `loop.train` writes. Raises what that does."""
    objective = RecallObjective(plan)
    train(objective, RecallPrompts(plan), None, plan, _Folder(folder, objective), options, tell=tell)
    objective.network.eval()
    return objective


def requests(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Held-out prompts as `kv-profile` reads them, of the last stage's size, each of one letter."""
    for number in range(count):
        rng = np.random.default_rng([seed, _HELD_OUT, number])
        pictures = draw(STAGES[-1].images, STAGES[-1].pairs, rng)
        letter, digit = rng.choice(list(pictures.digits.items()))
        prompt, answer = asked(letter, digit)
        yield {"id": f"recall-{number}", "prompt": prompt, "answer": answer, "images": [
            {"id": f"recall-{number}-{place}", "image": _array(one)} for place, one in enumerate(pictures.pixels)
        ]}  # fmt: skip


def _array(pixels: Any) -> dict[str, Any]:
    return {"dtype": "|u1", "shape": list(pixels.shape), "b64": base64.b64encode(pixels.tobytes()).decode()}


def _write(path: Path, text: str) -> None:
    def write(part: Path) -> None:
        part.write_text(text, encoding="utf-8")

    put(path, write)


def _tell(line: Line) -> None:
    log.info("step %d: answer %.3f, read %.3f", line["step"], line["answer"], line["read"])


class _Folder:
    """last.safetensors and run.json."""

    def __init__(self, path: Path, objective: RecallObjective) -> None:
        self.path, self._objective = path, objective
        self.described: Mapping[str, Any] = {"train_preset": objective.plan.facts(), "stages": list(map(repr, STAGES))}

    def describe(self, result: Mapping[str, Any]) -> None:
        """See ModelFolder."""
        _write(self.path / "run.json", json.dumps({**self.described, "result": dict(result)}, indent=1) + "\n")

    def write_weights(self, which: Which, place: Mapping[str, Any]) -> None:
        """See ModelFolder."""
        put(self.path / f"{which}.safetensors", lambda part: save_model(self._objective.network, str(part)))

    def rename_weights(self, which: Which) -> None:
        """The run stands in run.json, which `describe` writes anew."""


if __name__ == "__main__":
    main()
