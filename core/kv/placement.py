"""Where in a prompt its images stand: at `<image>`, or before the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import PIL.Image

from medpipe.core.errors import InputError

PLACE: Final = "<image>"
Parts = list[str | PIL.Image.Image]


def arranged(text: str, shown: Sequence[PIL.Image.Image]) -> Parts:
    """Text and images in their order. Raises InputError where there are more places than images, or fewer."""
    before, *after = text.split(PLACE)
    if not after:
        return [*shown, *([text] if text else [])]
    if len(after) != len(shown):
        raise InputError("image-places", f"the prompt has {len(after)} {PLACE} for {len(shown)} images")
    parts: Parts = [before]
    for image, said in zip(shown, after, strict=True):
        parts += [image, said]
    return [one for one in parts if not isinstance(one, str) or one]


def turn(parts: Parts) -> list[dict[str, Any]]:
    """A conversation of one turn, as chat templates take it."""
    return [{"role": "user", "content": [_item(one) for one in parts]}]


def _item(part: str | PIL.Image.Image) -> dict[str, Any]:
    return {"type": "text", "text": part} if isinstance(part, str) else {"type": "image", "image": part}


def inline(parts: Parts, mark: str) -> str:
    """Without a template: a mark for each image."""
    return "".join(one if isinstance(one, str) else mark for one in parts)


def probes(parts: Parts) -> Parts:
    """The same parts, with texts that no template has: to see where it writes them."""
    return [f"\ue000{place}\ue001" if isinstance(one, str) else one for place, one in enumerate(parts)]


def in_order(said: str, probed: Parts, mark: str) -> bool:
    """Whether a template has written every probe once and in its order, and each image's mark between them."""
    place = 0
    for one in probed:
        wanted = one if isinstance(one, str) else mark
        found = said.find(wanted, place)
        if found < 0 or mark in said[place:found]:
            return False
        place = found + len(wanted)
    return mark not in said[place:]
