"""Stems and WordNet's synonyms as nltk's METEOR takes them, where nltk and its data are installed."""

from __future__ import annotations

from functools import lru_cache

from medpipe.core.errors import ModelError
from medpipe.core.metrics.text.meteor import Synonymy


def open_wordnet() -> Synonymy:
    """nltk's own variant of Porter's stems, and of a stem the single words of its synsets and itself.

    nltk looks up stems, not words, and published values come from it: so does this. Raises ModelError, unavailable,
    without nltk or its data.
    """
    try:
        from nltk.corpus import wordnet
        from nltk.stem.porter import PorterStemmer
    except ImportError:
        raise ModelError("METEOR with WordNet needs nltk: pip install nltk", unavailable=True) from None
    try:
        wordnet.ensure_loaded()
    except (LookupError, OSError):
        raise ModelError(
            "nltk finds no WordNet: python -m nltk.downloader wordnet, or leave --wordnet out", unavailable=True
        ) from None

    @lru_cache(maxsize=1 << 16)
    def synonyms(stem: str) -> frozenset[str]:
        names = (lemma.name() for synset in wordnet.synsets(stem) for lemma in synset.lemmas())
        return frozenset(name for name in names if "_" not in name) | {stem}

    return Synonymy(lru_cache(maxsize=1 << 16)(PorterStemmer().stem), synonyms)
