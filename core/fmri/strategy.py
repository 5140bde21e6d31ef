"""Which of fMRIPrep's confounds a strategy takes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from medpipe.core.errors import InputError

_MOTION = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
# Friston et al. 1996 (doi:10.1002/mrm.1910350312): the six, their differences, and the squares of both.
_EXPANDED = [f"{name}{suffix}" for name in _MOTION for suffix in ("", "_derivative1", "_power2", "_derivative1_power2")]
_PRESETS = {"6p": _MOTION, "24p": _EXPANDED}
_COMPCOR = "a_comp_cor_"


def strategy_columns(strategy: str, names: Sequence[str], masks: Mapping[str, str]) -> list[str]:
    """The columns of a table of confounds that a strategy names, each once.

    Args:
        strategy: `6p`, `24p`, `acompcor:N` or names, wildcards allowed; several with commas between.
        names: the table's columns.
        masks: from the table's sidecar, the mask that each CompCor component is of; components of masks other than
            the combined one are passed over.

    Raises:
        InputError: a column is not there.
    """
    chosen: list[str] = []
    for word in filter(None, (part.strip() for part in strategy.split(","))):
        chosen += _named(word, names, masks)
    if not chosen:
        raise InputError("missing-column", f"the strategy {strategy!r} names no confound")
    return list(dict.fromkeys(chosen))


def _named(word: str, names: Sequence[str], masks: Mapping[str, str]) -> list[str]:
    if found := re.fullmatch(r"acompcor:(\d+)", word):
        return _components(int(found[1]), names, masks)
    wanted = _PRESETS.get(word, [word])
    if any(one in word for one in "*?["):
        wanted = [name for name in names if fnmatchcase(name, word)]
        if not wanted:
            raise InputError("missing-column", f"no confound is named like {word}")
    missing = [name for name in wanted if name not in names]
    if missing:
        few = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
        raise InputError("missing-column", f"the confounds have no column {few}, which {word} needs")
    return wanted


def _components(count: int, names: Sequence[str], masks: Mapping[str, str]) -> list[str]:
    there = sorted(name for name in names if name.startswith(_COMPCOR) and masks.get(name, "combined") == "combined")
    if count < 1 or count > len(there):
        raise InputError("missing-column", f"acompcor:{count}: the confounds have {len(there)} components {_COMPCOR}*")
    return there[:count]
