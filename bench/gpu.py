"""The papers' settings at real size on a GPU: records per second, and the losses of a CPU to tolerance.

Speed: one training step after another of a batch in memory, 12 leads of 5,000 samples (what reading adds is another
table's), in float32 and in half precision; the first three steps apart. Losses: the same five steps in float32 on both,
tensor-float off, at a rate of 1e-4, with dropout off since the two draw other numbers; the largest relative difference.
Florence-2 at base size with random weights: an image of 768 x 768 and four findings, greedy, 32 tokens.

Usage: python bench/gpu.py, on a machine with a GPU
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from medpipe.core.ecg.objectives import build_objective
from medpipe.core.ecg.train_batch import Batch
from medpipe.core.ecg.train_presets import TrainPreset, train_preset
from medpipe.core.vision.florence import Decoding
from medpipe.core.vision.florence_new import new_florence

TEXT, ENTITIES, STEPS, FIRST, COMPARED, SMALL = 768, 277, 10, 3, 5, 16
GPU, CPU = torch.device("cuda"), torch.device("cpu")
SETTINGS = {
    "MERL, ResNet-18": train_preset("merl"),
    "MERL, ViT-tiny": train_preset("merl").override({"arch": "merl-vit-tiny"}),
    "K-MERL, ViT-tiny": train_preset("kmerl"),
    "SuPreME, ViT-tiny": train_preset("supreme"),
}
SAME = {"view_dropout": 0, "decoder_dropout": 0, "lr": 1e-4}


def batch(count: int) -> Batch:
    rng = torch.Generator().manual_seed(0)
    signals = torch.rand(count, 12, 5000, generator=rng)
    targets = (torch.rand(count, ENTITIES, generator=rng) < 0.05).float()
    texts = torch.randn(count, TEXT, generator=rng)
    return Batch(signals, torch.ones(count, 12, dtype=torch.bool), texts, targets)


def step_of(preset: TrainPreset, device: torch.device, kind: torch.dtype) -> Callable[[Batch], float]:
    """A network and one step of its training."""
    torch.manual_seed(0)
    queries = torch.randn(ENTITIES, TEXT, generator=torch.Generator().manual_seed(1))
    objective = build_objective(preset, TEXT, queries).to(device).train()
    optimiser = torch.optim.AdamW(
        [one for one in objective.parameters() if one.requires_grad], lr=preset.lr, weight_decay=preset.weight_decay
    )
    scaler = torch.amp.GradScaler("cuda", enabled=kind is torch.float16)

    def step(whole: Batch) -> float:
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype=kind, enabled=kind is not torch.float32):
            loss = objective(whole)["loss"]
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()
        return float(loss.detach())

    return step


def rate(preset: TrainPreset, kind: torch.dtype) -> float:
    """Records per second."""
    step, whole = step_of(preset, GPU, kind), batch(preset.batch).to(GPU)
    for number in range(FIRST + STEPS):
        if number == FIRST:
            torch.cuda.synchronize()
            began = time.perf_counter()
        step(whole)
    torch.cuda.synchronize()
    return STEPS * preset.batch / (time.perf_counter() - began)


def difference(preset: TrainPreset) -> tuple[list[float], float]:
    """The losses on the GPU, and how far the CPU's are from them at most."""
    own = preset.override(SAME)
    found = []
    for device in (CPU, GPU):
        step, whole = step_of(own, device, torch.float32), batch(SMALL).to(device)
        found.append([step(whole) for _ in range(COMPARED)])
    cpu, gpu = np.array(found)
    return gpu.tolist(), float(np.abs(gpu / cpu - 1).max())


def florence() -> None:
    """The same tokens on both, and the time of each."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (768, 768, 3)).astype(np.uint8)
    names = ["mass", "edema", "rib fracture", "nodule"]
    answers, spent, shares = {}, {}, {}
    for device in (CPU, GPU):
        model = new_florence("base", side=768)
        # Reading and writing by the same words, an untrained model ends at once.
        drawn = torch.randn(model.model.lm_head.weight.shape, generator=torch.Generator().manual_seed(0))
        model.model.lm_head.weight = torch.nn.Parameter(drawn)
        model.model.to(device)
        for _ in range(2):
            began = time.perf_counter()
            image = model.encode(pixels)
            found = model.ask(image, names, names, Decoding(1, 32))
            spent[device.type] = time.perf_counter() - began
        answers[device.type] = [one.text for one in found]
        shares[device.type] = np.array([one.present for one in found])
    apart = float(np.abs(shares["cpu"] - shares["cuda"]).max())
    print(f"| Florence-2 base, four findings | {spent['cpu']:.2f} s | {spent['cuda']:.3f} s | "
          f"{answers['cpu'] == answers['cuda']} | {apart:.1e} |")  # fmt: skip


def main() -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}\n")
    print("| setting | batch | float32 | fp16 | bf16 | losses, five steps | largest relative difference to the CPU |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, preset in SETTINGS.items():
        rates = [rate(preset, kind) for kind in (torch.float32, torch.float16, torch.bfloat16)]
        losses, apart = difference(preset)
        said = ", ".join(f"{value:.3f}" for value in losses)
        print(f"| {name} | {preset.batch} | {' | '.join(f'{one:.0f}' for one in rates)} | {said} | {apart:.1e} |")
    print("\n| model | CPU | GPU | same tokens | presence apart at most |\n| --- | --- | --- | --- | --- |")
    florence()


if __name__ == "__main__":
    main()
