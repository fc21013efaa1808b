"""A store in memory: as fast as a dict, and gone with the process."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field

from reconnect.core.record import Record
from reconnect.errors import Conflict


@define(eq=False)
class MemoryStore:
    """Keeps records in a dict, for as long as the object lives; `close()` forgets nothing.

    It holds the records themselves, not copies: do not change what is in a record's `data`.
    """

    blocking = False
    _records: dict[str, Record] = field(factory=dict, init=False, repr=False)

    def load(self, session: str) -> Record | None:
        return self._records.get(session)

    def load_all(self) -> Iterable[Record]:
        return tuple(self._records.values())

    def save(self, record: Record, *, expected: int) -> None:
        """Compare-and-set on the version; 0 expects no record.

        Raises `Conflict` where the stored version is another and the record is not the one that
        is stored already.
        """
        stored = self._records.get(record.session)
        found = None if stored is None else stored.version
        if (found or 0) == expected:
            self._records[record.session] = record
        elif stored != record:
            raise Conflict(record.session, expected=expected, found=found)

    def forget(self, session: str) -> None:
        self._records.pop(session, None)

    def close(self) -> None:
        pass
