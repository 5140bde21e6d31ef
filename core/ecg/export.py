"""The trained default model as the files that ship: ONNX network, text tower, query head, description."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medpipe.core.ecg import preprocess_default
from medpipe.core.ecg.default_model import DESCRIPTION, MODEL_FILES, NETWORK, digest
from medpipe.core.ecg.lead_net import LeadNet

NAME: Final = "medpipe-ecg-default-1"


def round_to_half(network: nn.Module) -> None:
    """Every weight of the network as float16 can hold it, in place: so is it stored."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(weight.half().float())


def fold_norms(encoder: LeadNet) -> LeadNet:
    """The same function in evaluation, with each batch norm's scale and shift in the convolution before it."""
    folded = LeadNet(encoder.widths, encoder.dim, encoder.kernel, encoder.stem_stride)
    folded.load_state_dict(encoder.state_dict())
    folded.eval()
    for block in folded.blocks:
        for conv, norm in (("first", "first_norm"), ("second", "second_norm")):
            fused = torch.nn.utils.fusion.fuse_conv_bn_eval(getattr(block, conv), getattr(block, norm))
            setattr(block, conv, fused)
            setattr(block, norm, nn.Identity())
    return folded


def write_network(encoder: nn.Module, path: Path) -> None:
    """The encoder as ONNX: x [B, 12, n], present [B, 12] -> embedding [B, dim], tokens [B, pieces, channels].

    Weights are stored as float16 and widened when the file is loaded; `encoder` must hold such weights.
    """
    import onnx

    example = torch.randn(1, 12, preprocess_default.SAMPLES), torch.ones(1, 12)
    torch.onnx.export(
        encoder.eval(), example, str(path), dynamo=False, opset_version=17,
        input_names=["x", "present"], output_names=["embedding", "tokens"],
        dynamic_axes={name: {0: "batch"} for name in ("x", "present", "embedding", "tokens")},
    )  # fmt: skip
    model = onnx.load(str(path))
    _halve(model)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _halve(model: Any) -> None:
    """Large float32 initialisers become float16 and a cast behind them."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < 1000:
            continue
        values = numpy_helper.to_array(tensor)
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def write_queries(parts: Mapping[str, NDArray[np.float32]], path: Path) -> None:
    """The query head's arrays, as float16."""
    from safetensors.numpy import save

    path.write_bytes(save({name: np.ascontiguousarray(value.astype(np.float16)) for name, value in parts.items()}))


def write_description(folder: Path, dim: int, facts: Mapping[str, Any]) -> None:
    """`checkpoint.json` over the model files in `folder`; `facts` (training, metrics) are added."""
    files: dict[str, dict[str, Any]] = {}
    for name in MODEL_FILES:
        content = (folder / name).read_bytes()
        files[name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    description = {
        "name": NAME,
        # Embeddings of other weights must not pass for those of these.
        "space": f"{NAME}-{files[NETWORK]['sha256'][:8]}",
        "dim": dim,
        "sha256": digest(files),
        "files": files,
        "preprocessing": {
            "preset": preprocess_default.NAME,
            "fs": preprocess_default.FS,
            "samples": preprocess_default.SAMPLES,
            "band_hz": preprocess_default.BAND,
            "normalisation": "mean 0 and standard deviation 1 per lead and window; zeros after a short window",
            "leads": preprocess_default.LEADS,
        },
        **facts,
    }
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def parity(encoder: nn.Module, folder: Path, x: Tensor, present: Tensor) -> float:
    """The largest difference between the torch twin's embeddings of x [B, 12, n] and those of the file."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / NETWORK), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = encoder.eval()(x, present)[0].numpy()
    found = session.run(["embedding"], {"x": x.numpy(), "present": present.numpy()})[0]
    return float(np.abs(expected - found).max())
