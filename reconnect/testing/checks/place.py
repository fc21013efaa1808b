"""Where a store lives while it is checked: what was done there, and what ought to be there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import attrs
from attrs import define, field

from reconnect.core.checks import ID_MAX
from reconnect.core.record import Record, record_to_json
from reconnect.core.table import State
from reconnect.errors import Conflict, StoreInUse
from reconnect.policy import Policy
from reconnect.ports import Owned, Store
from reconnect.testing.checks.promise import BrokenPromise, Promise
from reconnect.testing.checks.values import same

T = TypeVar("T")

DONE_MAX = 30  # of the last things that were done
SHOWN_MAX = 80  # characters of what came in the place of a record

LOADED = Promise(
    "Store.load", "The record as it was saved, in every part; None where there is none."
)
ORDER = Promise("Store.load_all", "All records, in the order of their first saves.")
WALK = Promise(
    "Store.load_all", "What is saved or forgotten during the walk changes nothing in it."
)
COMPARED = Promise("Store.save", "Compare-and-set on the version")
DURABLE = Promise("Store.save", "durable when it returns")
EXPECTS_NONE = Promise("Store.save", "0 expects no record")
CONFLICT = Promise("Store.save", "Raises `Conflict` where the stored version is another")
REPEATED = Promise(
    "Store.save",
    "saving an equal record again does nothing, so that a save whose outcome is unknown can be "
    "repeated",
)
FORGOTTEN = Promise(
    "Store.forget",
    "Remove the record of this session alone, if there is one; then the name is free.",
)
CLOSED = Promise(
    "Store.close",
    "Let go of the place, and forget nothing: the next store there has all. Twice is once.",
)
BLOCKING = Promise("Store", "All calls may block if `blocking` says so.")
ONE_OWNER = Promise("Owned", "A store that belongs to one coordinator at a time")
IS_OWNED = Promise("Owned.owned", "Whether nobody can have taken the store over")
QUICKLY = Promise("Owned.owned", "asked for every message, so it is quick")
LOST = Promise("Owned.owned", "Saves raise `StoreInUse` when the store is lost for good.")
UNOWNED = Promise(
    "Owned",
    "Without this a store is taken from nobody: then all of its saves succeed, or raise otherwise.",
)


def make_record(session: str = "s", version: int = 1, epoch: int = 1, **changes: Any) -> Record:
    """A short record, with what is to be different in it."""
    short = Record(
        session=session,
        version=version,
        state=State.PAUSED,
        epoch=epoch,
        policy=POLICY,
        seats=(),
        players=(),
    )
    return attrs.evolve(short, **changes)


POLICY = Policy()


@define(eq=False)
class Place:
    """Where the store of one check lives: names are short in a check and unique in the store."""

    _make: Callable[[], Store]
    _reopen: Callable[[Store], Store] | None
    _run: str = field(kw_only=True)
    store: Store = field(init=False)
    done: list[str] = field(factory=list, init=False)
    _opened: list[Store] = field(factory=list, init=False)
    _names: set[str] = field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        self._open(self._make)

    @property
    def outlives(self) -> bool:
        """Whether a new object finds what an older one has saved."""
        return self._reopen is None

    # -- what is done to the store -----------------------------------------------------------------

    def save(self, record: Record, *, expected: int) -> Conflict | None:
        """Save; gives the conflict, if it is refused."""
        what = f"save({record.session!r}, version {record.version}, expected={expected})"
        conflict = self.do(what, COMPARED, lambda: self.try_save(record, expected=expected))
        if conflict is not None:
            self.done[-1] += f": Conflict, found {conflict.found}"
        return conflict

    def try_save(self, record: Record, *, expected: int) -> Conflict | None:
        """The same without a word, from any thread."""
        long = attrs.evolve(record, session=self._long(record.session))
        try:
            self.store.save(long, expected=expected)
        except Conflict as conflict:
            right = (conflict.session, conflict.expected) == (long.session, expected)
            if not right:
                raise BrokenPromise(
                    CONFLICT, f"the conflict speaks of something else: {conflict}", done=self.done
                ) from conflict
            return conflict
        return None

    def load(self, session: str) -> Record | None:
        found = self.do(f"load({session!r})", LOADED, lambda: self.store.load(self._long(session)))
        return None if found is None else self._short(found, LOADED)

    def load_all(self) -> list[Record]:
        return self.do("load_all()", ORDER, lambda: [*self.walk()])

    def walk(self) -> Iterator[Record]:
        """Our records, one by one as the store gives them."""
        for one in self.store.load_all():
            short = self._short(one, ORDER)
            if short.session != one.session:
                yield short

    def forget(self, session: str) -> None:
        self.do(f"forget({session!r})", FORGOTTEN, lambda: self.store.forget(self._long(session)))

    def close(self) -> None:
        self.do("close()", CLOSED, self.store.close)

    def reopen(self) -> None:
        """The next process opens the store, after an end in order."""
        self.done.append("closed, and opened again")
        if self._reopen is None:
            self.close()
            self.do("open it again", CLOSED, lambda: self._open(self._make))
        else:
            older, renew = self.store, self._reopen
            self.do("reopen(...)", CLOSED, lambda: self._open(lambda: renew(older)))

    def succeeds(self) -> bool:
        """Make the next store while this one is open; False where that is refused."""
        older = self.store
        refusal = self.do("left open, and another one made there", DURABLE, self._try_open)
        if refusal is not None:
            self.done[-1] += f": StoreInUse, {refusal.owner!r}"
            self.expect(isinstance(older, Owned), UNOWNED, "it says StoreInUse, and has no owned()")
        return refusal is None

    def _try_open(self) -> StoreInUse | None:
        try:
            self._open(self._make)
        except StoreInUse as refusal:
            return refusal
        return None

    def do(self, what: str, promise: Promise, call: Callable[[], T]) -> T:
        """Call, and write it down; whatever it raises breaks the promise."""
        self.done.append(what)
        try:
            return call()
        except BrokenPromise:
            raise
        except Exception as error:
            saw = f"{what} raised {type(error).__name__}: {error}"
            raise BrokenPromise(promise, saw, done=self.done[-DONE_MAX:]) from error

    # -- what is expected of it --------------------------------------------------------------------

    def expect(self, condition: object, promise: Promise, saw: str) -> None:
        if not condition:
            raise BrokenPromise(promise, saw, done=self.done[-DONE_MAX:])

    def saved(self, record: Record, *, expected: int, promise: Promise = COMPARED) -> None:
        """It can be saved."""
        conflict = self.save(record, expected=expected)
        found = None if conflict is None else conflict.found
        saw = f"it was refused, with Conflict, because {found!r} was found"
        self.expect(conflict is None, promise, saw)

    def refused(self, record: Record, *, expected: int, found: int | None) -> None:
        """It is a conflict with what was found."""
        conflict = self.save(record, expected=expected)
        saw = f"nothing was raised, where version {found} is stored"
        self.expect(conflict is not None, CONFLICT, saw)
        if conflict is not None:
            saw = f"the conflict says that {conflict.found!r} was found, and it is {found!r}"
            self.expect(conflict.found == found, CONFLICT, saw)

    def holds(self, promise: Promise, *wanted: Record) -> None:
        """These are all there are, in this order; each is also found by its name."""
        found = self.load_all()
        got, want = [one.session for one in found], [one.session for one in wanted]
        if sorted(got) != sorted(want):
            self.expect(False, promise, f"load_all() gives {got}, not {want}")
        self.expect(got == want, ORDER, f"load_all() gives {got}, not {want}")
        for one, record in zip(found, wanted, strict=True):
            self.expect(*equal(one, record, promise))
            self.expect(*equal(self.load(record.session), record, promise))

    def leave(self) -> None:
        """Forget what was saved, and close all stores; what goes wrong here was seen before."""
        for name in self._names:
            with suppress(Exception):
                self.store.forget(name)
        for store in reversed(self._opened):
            with suppress(Exception):
                store.close()

    def _open(self, make: Callable[[], Store]) -> None:
        self.store = make()
        if self.store not in self._opened:
            self._opened.append(self.store)

    @property
    def longest(self) -> str:
        """A name that has as many characters as one may have."""
        return "🎲" * (ID_MAX - len(self._long("")))

    def _long(self, name: str) -> str:
        long = f"{self._run}-{name}"
        self._names.add(long)
        return long

    def _short(self, found: object, promise: Promise) -> Record:
        right = isinstance(found, Record) and isinstance(found.session, str)
        self.expect(right, promise, f"what came is no Record: {found!r:.{SHOWN_MAX}}")
        assert isinstance(found, Record)
        return attrs.evolve(found, session=found.session.removeprefix(f"{self._run}-"))


def equal(found: Record | None, wanted: Record, promise: Promise) -> tuple[bool, Promise, str]:
    """Whether a record is as it was saved, and which promise is broken, and how, if it is not."""
    if found is None:
        return False, promise, f"there is no record of {wanted.session!r}, which was saved"
    try:
        one, other = record_to_json(found), record_to_json(wanted)
    except Exception:  # what a store has made of a record may be anything
        one, other = attrs.asdict(found, recurse=False), attrs.asdict(wanted, recurse=False)
        wrong = {name: one[name] for name in other if one[name] != other[name]}
    else:
        wrong = {name: one[name] for name in other if not same(one[name], other[name])}
    right = {name: other[name] for name in wrong}
    blamed = promise if {"version", "epoch"} & wrong.keys() else LOADED
    return not wrong, blamed, f"{wanted.session!r} was saved with {right}, and is {wrong}"
