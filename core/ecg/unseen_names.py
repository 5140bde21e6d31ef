"""Names kept out of training with all that tells them, to see what a query means that nobody taught.

Of a name kept out go its labels, those of the statements below it, the unions with it, and where it holds every
superclass too; of the text side, every phrase of these, and every other phrase in which one of them is said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.ecg.phrases import PHRASES, taught
from medpipe.core.ecg.ptbxl import CONCEPTS, SUPERCLASSES, UNIONS

# Kept out together, a group in one training: every name misses its neighbours of the group as well.
GROUPS: Final = (("CLBBB", "AMI", "LVH"), ("PVC", "QWAVE", "INVT"), ("ISCI", "SBRAD", "SARRH"))
# Statements that are the name itself, or a part of it.
FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "AMI": ("ASMI", "ALMI"),
    "LVH": ("VCLVH",),
    "ISCI": ("ISCIL", "ISCIN"),
}


def kept_out(names: Sequence[str]) -> tuple[str, ...]:
    """The concepts that go with `names`, themselves first, unions with any of them last."""
    same = [*names, *(part for one in names for part in FAMILIES.get(one, ()))]
    return (*same, *(union for union, parts in UNIONS.items() if {*parts} & {*same}))


def without_labels(targets: NDArray[np.float32], names: Sequence[str]) -> NDArray[np.float32]:
    """A copy of targets [n, concepts] in which nothing tells where one of `names` holds."""
    table = targets.copy()
    holds = (targets[:, [CONCEPTS.index(one) for one in names]] == 1).any(axis=1)
    for parent in (*SUPERCLASSES, "ABNORMAL"):
        column = table[:, CONCEPTS.index(parent)]
        column[holds & (column == 1)] = np.nan
    table[:, [CONCEPTS.index(one) for one in kept_out(names)]] = np.nan
    return table


def hidden_phrases(names: Sequence[str]) -> NDArray[np.bool_]:
    """Which phrases of `taught` [phrases] speak of what is kept out."""
    hidden = kept_out(names)
    own = [re.escape(phrase) for one in hidden if one not in UNIONS for phrase in (one, *PHRASES[one])]
    said = re.compile(rf"\b(?:{'|'.join(own)})(?!\w)", re.IGNORECASE) if own else re.compile(r"(?!)")
    return np.array([bool({*hidden} & {*shares}) or said.search(phrase) is not None for phrase, shares in taught()])
