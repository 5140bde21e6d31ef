"""The metrics that are asked for, and what the output tells of how they were made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from medpipe.core.metrics.text.bag_of_words import cosines
from medpipe.core.metrics.text.bert_embedding import BertEmbedding
from medpipe.core.metrics.text.bertscore import BertScore
from medpipe.core.metrics.text.bleu import Bleu1
from medpipe.core.metrics.text.identification import Identification
from medpipe.core.metrics.text.meteor import Meteor
from medpipe.core.metrics.text.metric import TextMetric, Truncated
from medpipe.core.metrics.text.word_error import WordErrorRate
from medpipe.core.metrics.text.words import Texts


@dataclass(frozen=True, slots=True)
class TextSettings:
    """Which metrics: `bert` is a folder, `layer` its layer, `idf` whether rare pieces weigh more."""

    tokenizer: str = "words"
    wordnet: bool = False
    bert: str | None = None
    layer: int | None = None
    idf: bool = False
    device: str = "cpu"


class Panel:
    """All metrics, identification first. Raises ModelError where a library or a model is not to be had.

    BERTScore has no truncated form: it gives precision and recall, and the pieces of a text depend on all of it.
    """

    def __init__(self, settings: TextSettings, true: Texts) -> None:
        self.facts: dict[str, Any] = {"tokenizer": settings.tokenizer, "identified_by": "bag of words"}
        by_word: list[TextMetric] = [WordErrorRate(), Bleu1(), _meteor(wordnet=settings.wordnet)]
        similarity, with_model = cosines, []
        self._embedding = None
        if settings.bert is not None:
            self._embedding = BertEmbedding(settings.bert, settings.layer, settings.device)
            bert = BertScore(self._embedding, true if settings.idf else None)
            similarity, with_model = bert.similarity, [bert]
            told = {"sha256": self._embedding.sha256, "layer": self._embedding.layer, "idf": settings.idf}
            self.facts |= {"identified_by": "bert", "bert": told}
        cut = [Identification(cosines, truncated=True)] if settings.bert is None else []
        self.metrics: list[TextMetric] = [
            Identification(similarity), *by_word, *with_model, *cut, *(Truncated(one) for one in by_word)
        ]  # fmt: skip

    @property
    def cut(self) -> int:
        """Texts longer than the model reads."""
        return self._embedding.cut if self._embedding is not None else 0


def _meteor(*, wordnet: bool) -> Meteor:
    if not wordnet:
        return Meteor()
    from medpipe.core.metrics.text.wordnet import open_wordnet

    return Meteor(open_wordnet())
