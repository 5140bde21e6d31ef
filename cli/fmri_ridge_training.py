"""fmri-train --stage ridge: the linear models of Tang et al. 2023, fitted to whole stories in one go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer

from medpipe.cli.exits import BAD_STREAM, UNAVAILABLE, USAGE, WRITE_FAILED, Fatal
from medpipe.cli.fmri_heard_runs import check_windows, heard_runs
from medpipe.cli.fmri_story_split import StorySplit, counted, guard_tests, seen_stories, split_windows
from medpipe.cli.fmri_training import FmriRun
from medpipe.cli.fmri_window_index import read_windows
from medpipe.cli.options import available_cores
from medpipe.cli.train_options import overridden
from medpipe.cli.training_loop import say
from medpipe.core.device import torch_device
from medpipe.core.errors import InputError, ModelError
from medpipe.core.fmri.bpgpt_folder import MODEL, BpGpt, digest_of, open_bpgpt
from medpipe.core.fmri.language_models import GPT, open_causal
from medpipe.core.fmri.lm_words import LmWords
from medpipe.core.fmri.tang_folder import write_tang
from medpipe.core.fmri.tang_model import TangModel
from medpipe.core.fmri.tang_settings import TangSettings, tang_settings
from medpipe.core.training.durable import put
from medpipe.core.training.loop import METRICS


def train_ridge(command: str, run: FmriRun, foreign: list[str]) -> int:
    """Fit and write; the exit code. `foreign` are options given that are of the other stages."""
    if foreign:
        raise typer.BadParameter(f"--stage ridge is fitted in one go: it takes no {', '.join(foreign)}")
    settings = _settings(run)
    if not run.inputs and run.files_from is None:
        raise typer.BadParameter("no windows: give files, or --files-from")
    if (Path(run.loop.output) / MODEL).is_file():
        raise Fatal(BAD_STREAM, f"{run.loop.output} holds a model already: give another folder")
    torch.set_num_threads(run.loop.threads or available_cores())
    try:
        _fit(command, run, settings)
    except ModelError as error:
        raise Fatal(UNAVAILABLE if error.unavailable else BAD_STREAM, str(error)) from None
    except InputError as error:
        raise Fatal(BAD_STREAM, str(error)) from None
    except OSError as error:
        raise Fatal(WRITE_FAILED, f"{run.loop.output}: {error.strerror or error}") from None
    return 0


def _settings(run: FmriRun) -> TangSettings:
    made = overridden(tang_settings, run.preset, run.changes)
    if run.text is not None and run.lm is not None:
        raise typer.BadParameter("--text FOLDER brings its language model: leave --lm out")
    if not made.delays or not made.voxels or not 0 < made.shrinkage <= 1 or made.folds == 1:
        raise typer.BadParameter("delays and voxels are more than 0, shrinkage is above 0 and at most 1, folds not 1")
    return made


def _fit(command: str, run: FmriRun, settings: TangSettings) -> None:
    index = read_windows(run.inputs, run.files_from, responses=True)
    tr, mask = check_windows(index)
    begun = open_bpgpt(run.text) if run.text is not None else None
    data = split_windows(index, settings.validation_share, settings.seed, run.validation, begun)
    guard_tests(run.test, seen_stories(data, begun))
    if not run.loop.quiet:
        held = counted(data.held) if data.held is not None else "none"
        left = f", {index.failed} error records left out" if index.failed else ""
        say(command, f"{counted(data.trained)} to fit, {held} held out to report on{left}")
    lm, known = _language_model(run, settings, data, begun)
    words = sorted(lm.words({word for window in data.trained.windows for word in window.text.split()}))
    if not words:
        raise Fatal(BAD_STREAM, "no word of the training stories is one token of the language model")
    trained = heard_runs(data.trained, lm, settings.placement, tr)
    model = TangModel.fit(trained, settings)
    lines = [{"split": "cross-validated", **model.cross_validated(), "voxels": len(model.voxels)}]
    if data.held is not None:
        held_runs = heard_runs(data.held, lm, settings.placement, tr)
        rng = np.random.default_rng(settings.seed)
        lines.append({"split": "held-out", "stories": data.held.stories(), **model.evaluate(held_runs, tr, rng)})
    facts: dict[str, Any] = {
        "settings": settings.facts(), "begun_with": known, "tr": tr, "mask": mask, "lag": 0,
        "shape": index.windows[0].said["shape"][1:], "volumes": len(index.windows[0].volumes), **data.facts(),
    }  # fmt: skip
    folder = Path(run.loop.output)
    folder.mkdir(parents=True, exist_ok=True)
    put(folder / METRICS, lambda part: _write_lines(part, lines))
    facts = {"run": digest_of(facts), **facts, "result": lines, "words": words}
    write_tang(folder, model, lm, seen_stories(data, begun), facts)
    if not run.loop.quiet:
        for line in lines:
            told = ", ".join(f"{name} {value:.4f}" for name, value in line.items() if isinstance(value, float))
            say(command, f"{line['split']}: {told}")
        say(command, f"{len(model.voxels)} voxels, {len(words)} words: {folder}")


def _language_model(
    run: FmriRun, settings: TangSettings, data: StorySplit, begun: BpGpt | None
) -> tuple[LmWords, dict[str, Any]]:
    """What knows the words, and where it is from."""
    if begun is not None:
        if begun.said["stage"] != "text":
            raise Fatal(USAGE, f"--text {run.text} is of the brain stage: give the folder of --stage text")
        model, tokenizer, known = begun.lm.model, begun.lm.texts.tokenizer, {"text": begun.facts}
    else:
        texts = [window.text for window in data.trained.windows]
        model, tokenizer, found = open_causal(run.lm or GPT, texts, settings.seed)
        known = {"lm": found}
    return LmWords(model.to(torch_device(run.loop.device)), tokenizer, settings.layer, settings.context), known


def _write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
