"""The state from which an interrupted training goes on as if nothing had happened."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from medpipe.core.errors import ModelError
from medpipe.core.training import distributed
from medpipe.core.training.durable import put
from medpipe.core.training.objective import Objective

STATE: Final = "state.pt"


@dataclass(slots=True)
class Position:
    """How far a training is: whole epochs, batches of the one begun, all steps; the best validation so far."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float | None = None
    best_step: int = 0
    metrics_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Parts:
    """What a state is made of, besides the position. The schedule is a function of the step and has none."""

    objective: Objective
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    device: torch.device


def save(path: Path, parts: Parts, position: Position, run: Mapping[str, Any]) -> None:
    """Write the state, by process 0; every process calls it, since each has random numbers of its own."""
    generators = {name: distributed.gathered(state, parts.device) for name, state in _generators(parts).items()}
    if distributed.rank() == 0:
        whole = _whole(parts, position, run, generators)
        put(path, lambda part: torch.save(whole, part))
    # None goes on, or away, before the state is there.
    distributed.wait()


def _whole(
    parts: Parts, position: Position, run: Mapping[str, Any], generators: dict[str, list[Tensor]]
) -> dict[str, Any]:
    return {
        "objective": parts.objective.trained_state(),
        "optimiser": parts.optimiser.state_dict(),
        "scaler": parts.scaler.state_dict(),
        "generators": generators,
        "position": asdict(position),
        "run": json.dumps(run, sort_keys=True),
    }


def restore(path: Path, parts: Parts, run: Mapping[str, Any], may_differ: Collection[str] = ()) -> Position:
    """Put the state into the parts, in every process; ModelError, naming both sides, if it is another run's.

    `may_differ` are facts of the run, dots between the levels, that make no other run of it.
    """
    try:
        whole = torch.load(path, map_location="cpu", weights_only=True)
        saved = json.loads(whole["run"])
    except Exception as error:  # a damaged archive may raise anything at all
        raise ModelError(f"{path} is damaged or no state of a training: {str(error)[:160]}") from error
    _check_run(path, saved, json.loads(json.dumps(run)), may_differ)
    parts.objective.load_trained_state(whole["objective"])
    parts.optimiser.load_state_dict(whole["optimiser"])
    parts.scaler.load_state_dict(whole["scaler"])
    own = {name: states[distributed.rank()] for name, states in whole["generators"].items()}
    if set(own) != set(_generators(parts)):
        raise ModelError(f"{path} has the generators {', '.join(own)}, a run on {parts.device} has others")
    parts.objective.generator.set_state(own["masks"])
    torch.set_rng_state(own["torch"])
    if "cuda" in own:
        torch.cuda.set_rng_state(own["cuda"], parts.device)
    return Position(**whole["position"])


def _generators(parts: Parts) -> dict[str, Tensor]:
    """The states of what draws random numbers: masks, dropout on the CPU, dropout on the GPU."""
    states = {"masks": parts.objective.generator.get_state(), "torch": torch.get_rng_state()}
    if parts.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(parts.device)
    return states


def _check_run(path: Path, saved: Mapping[str, Any], own: Mapping[str, Any], may_differ: Collection[str]) -> None:
    before, now = _flat(saved), _flat(own)
    fixed = sorted((before.keys() | now.keys()) - {*may_differ})
    other = [name for name in fixed if before.get(name) != now.get(name)]
    if other:
        said = "; ".join(f"{name} {_short(before.get(name))}, now {_short(now.get(name))}" for name in other[:3])
        raise ModelError(f"{path} belongs to another run: {said}{' ...' if len(other) > 3 else ''}")


def _flat(facts: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in facts.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
