"""Words and a causal language model: their vectors in it, and which word comes next."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from medpipe.core.errors import ModelError

# Before a word, so that it is told as inside a text.
_BEFORE: Final = "a"
_TOGETHER: Final = 512


class LmWords:
    """A language model that is asked about words.

    Args:
        model: of transformers.
        tokenizer: its own.
        layer: whose states are a word's vector; 0 for the embeddings that the model takes in, without any context.
        context: words before it that the states may depend on.

    Raises:
        ModelError: the model has no such layer.
    """

    def __init__(self, model: Any, tokenizer: Any, layer: int, context: int) -> None:
        layers = int(model.config.num_hidden_layers)
        if layer > layers:
            raise ModelError(f"layer={layer}: the language model has {layers} layers")
        model.config.use_cache = False
        self.model, self.tokenizer, self.layer, self.context = model.eval(), tokenizer, layer, context
        self._embeddings = model.get_input_embeddings()
        self._last = {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
        self._before = len(self._plain(_BEFORE))
        self.ids = lru_cache(maxsize=1 << 16)(self._ids)

    @property
    def width(self) -> int:
        """Of vectors."""
        return int(self._embeddings.embedding_dim if self.layer == 0 else self.model.config.hidden_size)

    @property
    def tokens(self) -> int:
        """How many it tells apart."""
        return int(self.model.get_output_embeddings().weight.shape[0])

    def words(self, candidates: Iterable[str]) -> dict[str, int]:
        """Those that are one token behind a blank, with the token."""
        made = {word: self.ids(word)[0] for word in candidates if len(self.ids(word)) == 1}
        return {word: token for word, token in made.items() if self.tokenizer.decode([token]).strip() == word}

    def vectors(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Of the words of a text in their order, [words, width]: of a word's last token, or the mean of its own."""
        if self.layer == 0:
            return np.stack([self._embedded(self.ids(word)).mean(axis=0) for word in words])
        told = [
            sum((self.ids(word) for word in words[max(0, place - self.context) : place + 1]), ())
            for place in range(len(words))
        ]
        made = np.empty((len(words), self.width), np.float32)
        for length in sorted({len(ids) for ids in told}):
            rows = [row for row, ids in enumerate(told) if len(ids) == length]
            made[rows] = self._states(np.array([told[row] for row in rows]))
        return made

    def token_vectors(self, contexts: NDArray[np.intp], tokens: NDArray[np.intp]) -> NDArray[np.float32]:
        """Of words that are tokens [n] behind others [n, words]; [n, width]."""
        if self.layer == 0:
            return self._embedded(tokens)
        return self._states(np.column_stack([contexts[:, max(0, contexts.shape[1] - self.context) :], tokens]))

    @torch.inference_mode()
    def next_shares(self, contexts: NDArray[np.intp]) -> NDArray[np.float32]:
        """Probabilities [n, vocabulary] of the token behind each context [n, words]."""
        made = [
            torch.softmax(self.model(rows, **self._last).logits[:, -1].float(), dim=1).cpu().numpy()
            for rows in self._batches(contexts)
        ]
        return np.concatenate(made)

    @torch.inference_mode()
    def _states(self, tokens: NDArray[np.intp]) -> NDArray[np.float32]:
        """Of the last tokens of [n, words]."""
        body = self.model.base_model
        made = [
            body(rows, output_hidden_states=True).hidden_states[self.layer][:, -1].float().cpu().numpy()
            for rows in self._batches(tokens)
        ]
        return np.concatenate(made)

    @torch.inference_mode()
    def _embedded(self, tokens: Any) -> NDArray[np.float32]:
        ids = torch.as_tensor(np.asarray(tokens), device=self._embeddings.weight.device)
        made: NDArray[np.float32] = self._embeddings(ids).float().cpu().numpy()
        return made

    def _batches(self, tokens: NDArray[np.intp]) -> Iterator[torch.Tensor]:
        places = getattr(self.model.config, "max_position_embeddings", None)
        kept = tokens[:, -places:] if places else tokens
        for start in range(0, len(kept), _TOGETHER):
            rows = np.ascontiguousarray(kept[start : start + _TOGETHER])
            yield torch.from_numpy(rows).to(self._embeddings.weight.device)

    def _ids(self, word: str) -> tuple[int, ...]:
        return tuple(self._plain(f"{_BEFORE} {word}")[self._before :])

    def _plain(self, text: str) -> list[int]:
        return [int(one) for one in self.tokenizer(text, add_special_tokens=False)["input_ids"]]
