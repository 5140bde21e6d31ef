"""Named methods: an allocator, a scorer and a merger, with the settings of their paper. The names need no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from medpipe.core.errors import InputError

if TYPE_CHECKING:
    from medpipe.core.kv.allocators import Allocator
    from medpipe.core.kv.mergers import Merger
    from medpipe.core.kv.scorers import Scorer


@dataclass(frozen=True, slots=True)
class Method:
    """How a cache is compressed.

    Of a layer's budget the share `recent` goes to its last entries, or `last` entries where given, at most half; the
    rest to those of the highest score. `text_prior`: scores of text tokens are raised by the highest score there is.
    """

    name: str
    allocator: str
    scorer: str
    merger: str = "none"
    recent: float = 0.5
    last: int | None = None
    text_prior: bool = False

    @property
    def allocation(self) -> Allocator:
        """The allocator itself."""
        from medpipe.core.kv.allocators import ALLOCATORS

        return ALLOCATORS[self.allocator]

    @property
    def scoring(self) -> Scorer:
        """The scorer itself."""
        from medpipe.core.kv.scorers import SCORERS

        return SCORERS[self.scorer]

    @property
    def merging(self) -> Merger | None:
        """The merger itself; None where what is dropped is gone."""
        from medpipe.core.kv.mergers import MERGERS

        return MERGERS[self.merger]

    @property
    def measured(self) -> bool:
        """Whether attention must be measured."""
        return self.allocation.measured or self.scoring.measured

    def recent_entries(self, budget: int) -> int:
        """How many of a budget go to the last entries."""
        return round(budget * self.recent) if self.last is None else min(self.last, budget // 2)

    def merged_by(self, merger: str | None) -> Method:
        """The same with another merger, and a name that says so. Raises InputError for one that there is not."""
        from medpipe.core.kv.mergers import MERGERS

        if merger is None or merger == self.merger:
            return self
        if merger not in MERGERS:
            raise InputError("no-merger", f"no merger {merger}; there are {', '.join(MERGERS)}")
        return replace(self, merger=merger, name=f"{self.name}+{merger}")


_ALL: Final = (
    # The paper keeps recent and heavy entries 3 : 1; its code 1 : 1.
    Method("meda", "meda", "h2o", "average", recent=0.75, text_prior=True),
    Method("meda-released", "meda-released", "h2o", "average", recent=0.5, text_prior=True),
    # MEDA with its budgets taken away: what the allocation is worth.
    Method("uniform", "uniform", "h2o", "average", recent=0.75, text_prior=True),
    Method("lookm", "uniform", "h2o", "pivot", recent=0.5, text_prior=True),
    Method("h2o", "uniform", "h2o"),
    Method("observed", "uniform", "observed", recent=0.0),
    Method("snapkv", "uniform", "snapkv", last=32),
    Method("pyramid", "pyramid", "snapkv", last=32),
    Method("recent", "uniform", "recent"),
    Method("random", "uniform", "random", recent=0.0),
)
METHODS: Final = {one.name: one for one in _ALL}
# A sweep always has them: without them nobody knows what a method is worth.
CONTROLS: Final = ("uniform", "random")


def find_method(name: str) -> Method:
    """The method of this name. Raises InputError."""
    if name not in METHODS:
        raise InputError("no-method", f"no method {name}; there are {', '.join(METHODS)}")
    return METHODS[name]
