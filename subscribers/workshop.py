"""Drafting the rows of an import, here or in a second process, while the first one stores the batch before."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from subscribers.csv_rows import CsvRow
from subscribers.drafts import Drafted, ImportJob, draft
from subscribers.keyring import Keys
from subscribers.loaders import Plan


class Drafting:
    """Iterates over the drafted batches; told what became of one, it knows whether sealing the next is worth it."""

    def __init__(self, keys: Keys, plan: Plan, job: ImportJob, batches: Iterable[list[CsvRow]]) -> None:
        self._keys, self._plan, self._job, self._batches = keys, plan, job, batches
        self._sealing = True

    def tell(self, *, changed: int, of: int) -> None:
        """How many rows of a batch were new."""
        self._sealing = 2 * changed >= of

    def __iter__(self) -> Iterator[Drafted]:
        for rows in self._batches:
            yield draft(self._keys, self._plan, self._job, rows, sealing=self._sealing)


@contextmanager
def drafting(keys: Keys, plan: Plan, job: ImportJob, batches: Iterable[list[CsvRow]]) -> Iterator[Drafting]:
    yield Drafting(keys, plan, job, batches)
