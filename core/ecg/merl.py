"""MERL's ECG side (ICML 2024, arXiv 2403.06659): encoder alone, or with its head into the shared space.

An encoder-only checkpoint (`*_encoder.pth`) gives the mean over time of the feature map, or the ViT's
pooled token; a full one (`*_ckpt.pth`) gives the contrastive embedding, 256 wide and not yet of unit
length, and carries the text side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from medpipe.core.ecg.attention_pool import AttentionPool
from medpipe.core.ecg.merl_resnet import DEPTHS, ResNet1d
from medpipe.core.ecg.merl_vit import SIZES, Vit1d, projector
from medpipe.core.ecg.network import HEADS, EcgNetwork, Weights
from medpipe.core.ecg.torch_weights import fit
from medpipe.core.errors import ModelError

if TYPE_CHECKING:
    from medpipe.core.ecg.network import TextSide

SHARED_WIDTH: Final = 256
MAP_STEPS: Final = 313
TEXT_KEYS: Final = ("lm_model.", "proj_t.")
# In the published dictionaries, but without part in any embedding.
UNUSED_KEYS: Final = ("ecg_encoder.linear.", "ecg_encoder.head.", "linear1.", "linear2.")


class Merl(EcgNetwork):
    """A MERL encoder, with `contrastive` its projection too. `arch` is merl-resnet18 ... merl-vit-base.

    Parameter names and order are those of the published full checkpoint without its text side.
    """

    preset = "merl"

    def __init__(self, arch: str, *, contrastive: bool) -> None:
        super().__init__()
        self.arch = arch
        self.contrastive = contrastive
        self.kind = "contrastive" if contrastive else "features"
        encoder = _encoder(arch)
        self.dim = SHARED_WIDTH if contrastive else encoder.width
        self.text_weights: dict[str, Tensor] = {}
        self.folded_pool: nn.Module | None = None
        if contrastive:
            self._add_head(encoder)
        self.ecg_encoder: nn.Module = encoder

    def _add_head(self, encoder: ResNet1d | Vit1d) -> None:
        if isinstance(encoder, ResNet1d):
            self.downconv = nn.Conv1d(encoder.width, SHARED_WIDTH, 1)
            self.att_pool_head = AttentionPool(MAP_STEPS, SHARED_WIDTH)
            pooled = SHARED_WIDTH
        else:
            self.proj_e = projector(encoder.width)
            pooled = encoder.width
        # The two views of the uni-modal loss: trained with the rest, unused afterwards.
        self.linear1 = nn.Linear(pooled, SHARED_WIDTH, bias=False)
        self.linear2 = nn.Linear(pooled, SHARED_WIDTH, bias=False)

    @classmethod
    def untrained(cls, arch: str) -> Self:
        """The bare encoder with torch's own initial weights, as the published constructor draws them."""
        return cls(arch, contrastive=False)

    @classmethod
    def recognise(cls, weights: Weights) -> str | None:
        """See EcgNetwork: told by the kind and number of blocks, and by the ViT's width."""
        names = {key.removeprefix("ecg_encoder.") for key in weights}
        patch = weights.get("to_patch_embedding.weight", weights.get("ecg_encoder.to_patch_embedding.weight"))
        if patch is not None:
            sizes = {width: size for size, (width, _, _) in SIZES.items()}
            return f"merl-{sizes[patch.shape[0]]}" if patch.shape[0] in sizes else None
        bottleneck = "layer1.0.conv3.weight" in names
        counts = tuple(
            sum(key.startswith(f"layer{stage}.") and key.endswith(".conv1.weight") for key in names)
            for stage in (1, 2, 3, 4)
        )
        found = [depth for depth, blocks in DEPTHS.items() if blocks == (counts, bottleneck)]
        return f"merl-{found[0]}" if found else None

    @classmethod
    def from_weights(cls, arch: str, weights: Weights, source: str) -> Self:
        """See EcgNetwork: an encoder-only state dictionary or a full one; a text side is kept for later."""
        found = cls.recognise(weights)
        if found is not None and found != arch:
            raise ModelError(f"{source} holds a {found.removeprefix('merl-')}, --arch says {arch}")
        full = any(key.startswith("ecg_encoder.") for key in weights)
        text = {key: value for key, value in weights.items() if full and key.startswith(TEXT_KEYS)}
        ecg = {key: value for key, value in weights.items() if key not in text and not key.startswith(HEADS)}
        if not full:
            ecg = {f"ecg_encoder.{key}": value for key, value in ecg.items()}
        network = cls(arch, contrastive=full)
        fit(network, ecg, source, f"{arch}, {'full' if full else 'encoder only'}", UNUSED_KEYS)
        network.text_weights = text
        return network

    def embed(self, x: Tensor, present: Tensor) -> Tensor:
        """See EcgNetwork; `present` changes nothing here: this model sees all twelve rows."""
        features: Tensor = self.ecg_encoder(x)
        if not self.contrastive:
            return features if features.ndim == 2 else features.mean(dim=2)
        if self.folded_pool is not None:
            embedded: Tensor = self.folded_pool(features)
        elif features.ndim == 2:
            embedded = self.proj_e(features)
        else:
            embedded = self.att_pool_head(self.downconv(features))[0]
        return embedded

    def tokens(self, x: Tensor, present: Tensor) -> Tensor:
        """See EcgNetwork: the ResNet's feature map over time [B, 313, width], the ViT's tokens [B, 100, width]."""
        if isinstance(self.ecg_encoder, Vit1d):
            return self.ecg_encoder.tokens(x)
        steps: Tensor = self.ecg_encoder(x).transpose(1, 2)
        return steps

    def token_places(self, present: NDArray[np.bool_]) -> list[tuple[str | None, int]]:
        """See EcgNetwork: every token mixes all leads."""
        count = self.ecg_encoder.pos_embedding.shape[1] if isinstance(self.ecg_encoder, Vit1d) else MAP_STEPS
        return [(None, step) for step in range(count)]

    def text_side(self, text_model: str | None) -> TextSide:
        """See EcgNetwork: MedCPT's query encoder and this checkpoint's text projector."""
        from medpipe.core.ecg.merl_text import MEDCPT, MerlText

        if not self.contrastive:
            raise ModelError(
                "this checkpoint holds MERL's ECG encoder alone; scores need the full one with both projections"
                " (res18_best_ckpt.pth or vit_tiny_best_ckpt.pth, linked from"
                " https://github.com/cheliu-computation/MERL-ICML2024)"
            )
        return MerlText.from_weights(self.text_weights, text_model or MEDCPT)

    def for_inference(self) -> Self:
        """See EcgNetwork: a ResNet is folded and laid out for the CPU; this network is changed."""
        from medpipe.core.ecg.folded_pool import FoldedPool
        from medpipe.core.ecg.folded_resnet import FoldedResNet

        if isinstance(self.ecg_encoder, ResNet1d):
            self.ecg_encoder = FoldedResNet(self.ecg_encoder)
            if self.contrastive:
                self.folded_pool = FoldedPool(self.downconv, self.att_pool_head)
        return self


def _encoder(arch: str) -> ResNet1d | Vit1d:
    name = arch.removeprefix("merl-")
    if name in DEPTHS:
        return ResNet1d(name)
    if name in SIZES:
        return Vit1d(name)
    raise ModelError(f"no MERL encoder is called {arch}")
