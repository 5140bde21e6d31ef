"""K-MERL's lead-aware encoder (arXiv 2502.17900): any 1 to 12 leads, absent ones gathered away.

Re-implemented from the paper's description; no official code was to be had to compare with. Where
the paper is silent: 50 samples a token, ViT-tiny, mean over tokens before the norm, as in MERL.
"""

from __future__ import annotations

from typing import Final, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medpipe.core.ecg.network import HEADS, EcgNetwork, Weights, lead_sets
from medpipe.core.ecg.presets import PRESETS
from medpipe.core.ecg.torch_weights import fit
from medpipe.core.ecg.vit_blocks import add_blocks
from medpipe.core.errors import ModelError

LEADS: Final = PRESETS["kmerl"].leads
SAMPLES: Final = PRESETS["kmerl"].samples
ARCH: Final = "kmerl-vit-tiny"


class LeadVit(EcgNetwork):
    """A token for each lead and piece of time: W x + T[piece] + S[lead], then pre-norm blocks.

    W is shared by all leads, T by all leads, S by all times. The tokens of absent leads are never
    made, so what stands in their rows changes nothing.
    """

    preset = "kmerl"
    kind: Literal["features", "contrastive"] = "features"

    def __init__(
        self,
        arch: str = ARCH,
        *,
        width: int = 192,
        depth: int = 12,
        heads: int = 3,
        hidden: int = 768,
        patch: int = 50,
    ) -> None:
        super().__init__()
        self.arch, self.dim, self.patch = arch, width, patch
        self.pieces = SAMPLES // patch
        self.patch_embedding = nn.Linear(patch, width, bias=False)
        self.time_embedding = nn.Parameter(0.02 * torch.randn(self.pieces, width))
        self.lead_embedding = nn.Parameter(0.02 * torch.randn(len(LEADS), width))
        self.block_names = add_blocks(self, depth, width, heads, hidden)
        self.norm = nn.LayerNorm(width)

    @classmethod
    def untrained(cls, arch: str) -> Self:
        """See EcgNetwork."""
        return cls(arch)

    @classmethod
    def recognise(cls, weights: Weights) -> str | None:
        """See EcgNetwork."""
        table = weights.get("lead_embedding")
        known = table is not None and "patch_embedding.weight" in weights and table.shape[-1] == 192
        return ARCH if known else None

    @classmethod
    def from_weights(cls, arch: str, weights: Weights, source: str) -> Self:
        """See EcgNetwork. The length of a piece is told by the shape of W."""
        patch = weights.get("patch_embedding.weight")
        if patch is None:
            raise ModelError(f"{source} holds no lead-aware encoder, --arch says {arch}")
        network = cls(arch, patch=patch.shape[-1])
        fit(network, dict(weights), source, arch, unused=(HEADS,))
        return network

    def tokens(self, x: Tensor, present: Tensor) -> Tensor:
        """See EcgNetwork: leads in the preset's order, each with its pieces in time, [B, leads * pieces, dim].

        All rows of `present` must be equal.
        """
        if not bool((present == present[:1]).all()):
            raise ValueError("tokens of different lead sets do not stack")
        rows = torch.nonzero(present[0]).flatten()
        if len(rows) == 0:
            raise ValueError("no lead is present")
        pieces = x[:, rows].reshape(len(x), len(rows), self.pieces, self.patch)
        tokens: Tensor = self.patch_embedding(pieces) + self.time_embedding + self.lead_embedding[rows, None]
        return self._through_blocks(tokens.flatten(1, 2))

    def chosen_tokens(self, x: Tensor, index: Tensor, padding: Tensor) -> Tensor:
        """Some tokens of each record, [B, K, dim] by `lead_masking.Tokens`; zero at the padding.

        x is [B, 12, 5000]; index [B, K] is lead * pieces + piece, padding [B, K] is True where a record has no
        more tokens: both on the CPU, where they are drawn. Records with equally many run together, without padding.
        """
        counts = (~padding).sum(1)
        index_there, pieces = index.to(x.device), x.reshape(len(x), -1, self.patch)
        out = x.new_zeros(*index.shape, self.dim)
        for count in sorted(set(counts.tolist())):
            rows = torch.nonzero(counts == count).flatten().to(x.device)
            places = index_there[rows, :count]
            tokens = self.patch_embedding(pieces[rows[:, None], places])
            lead, piece = places // self.pieces, places % self.pieces
            tokens = tokens + self.time_embedding[piece] + self.lead_embedding[lead]
            out[rows, :count] = self._through_blocks(tokens)
        return out

    def pooled(self, tokens: Tensor, padding: Tensor) -> Tensor:
        """Tokens [B, K, dim] and padding [B, K] of `chosen_tokens` -> [B, dim], as `embed` pools them."""
        there = (~padding).to(tokens.device)[..., None]
        out: Tensor = self.norm((tokens * there).sum(1) / there.sum(1))
        return out

    def _through_blocks(self, tokens: Tensor) -> Tensor:
        for name in self.block_names:
            tokens = self.get_submodule(name)(tokens)
        return tokens

    def token_places(self, present: NDArray[np.bool_]) -> list[tuple[str | None, int]]:
        """See EcgNetwork."""
        there = [lead for lead, is_there in zip(LEADS, present, strict=True) if is_there]
        return [(lead, piece) for lead in there for piece in range(self.pieces)]

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """[B, 12, 5000] in the preset's lead order, present [B, 12] bool -> [B, dim].

        Rows with the same leads run together and never see those with others.
        """
        out = x.new_empty(len(x), self.dim)
        for group in lead_sets(present.cpu().numpy()):
            rows = torch.from_numpy(group).to(x.device)
            out[rows] = self.norm(self.tokens(x[rows], present[rows]).mean(dim=1))
        return out

    def embed(self, x: Tensor, present: Tensor) -> Tensor:
        """See EcgNetwork."""
        embedded: Tensor = self(x, present)
        return embedded
