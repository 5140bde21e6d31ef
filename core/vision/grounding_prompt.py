"""What Florence-2 is asked, to the byte: a checkpoint answers well only in the words that it was trained with.

The templates of AG-KD double the task's phrase, because the processor puts it in place of the task token before a text
that has it already, and their sentences end in more than one stop (LijunRio/AG-KD @ def444e).
"""

from __future__ import annotations

from typing import Final

from medpipe.core.errors import InputError

_TASK: Final = "Locate the phrases in the caption: "
# How often the task's phrase comes, and how many stops end it.
_FORMS: Final = {"ag-kd-train": (2, 3), "ag-kd-demo": (2, 2), "plain": (1, 1)}
TEMPLATES: Final = tuple(_FORMS)


def grounding_prompt(name: str, sentence: str | None, template: str) -> str:
    """The text for the tokenizer; without a sentence the name alone is asked for.

    Raises InputError (`empty-query`), ValueError for a template that there is not.
    """
    if template not in _FORMS:
        raise ValueError(f"no template {template}; there are {', '.join(TEMPLATES)}")
    if not name.strip():
        raise InputError("empty-query", "a finding without a name cannot be asked for")
    phrases, stops = _FORMS[template]
    bare = sentence.strip().rstrip(".") if sentence is not None else ""
    asked = f"{name.strip()} means {bare}" if bare else name.strip()
    return _TASK * phrases + asked + "." * stops
