"""Each store here breaks one word of its port, and is told which."""

import contextlib
import json
import threading
import time

import attrs
import pytest

from reconnect.core.record import record_from_json, record_to_json
from reconnect.errors import Conflict, StoreInUse
from reconnect.ports import Owned
from reconnect.stores.memory import MemoryStore
from reconnect.testing.check_store import check_store
from reconnect.testing.checks import place, promise
from reconnect.testing.checks.promise import BrokenPromise


class DiskStore(MemoryStore):
    """A store that keeps its word, for as long as its disk lives."""

    def __init__(self, disk):
        super().__init__()
        self.disk = disk
        self._records = disk.setdefault("records", {})


def as_json(change):
    """A record that went through JSON, and was changed there."""

    def changed(record):
        form = json.loads(json.dumps(record_to_json(record)))
        change(form)
        return record_from_json(form)

    return changed


def drops_data(form):
    form["data"].pop("map", None)


def rounds_instants(form):
    if form["deadline"] is not None:
        form["deadline"] = round(form["deadline"], 3)


def forgets_why_it_ended(form):
    form["reason"] = form["ended_at"] = None


def forgets_tokens(form):
    for seat in form["seats"]:
        seat["token_digest"] = None


def whole_numbers_become_true(form):
    form["data"] = {name: bool(one) if one == 1 else one for name, one in form["data"].items()}


def changing(change):
    change = as_json(change)

    class Changing(DiskStore):
        def load(self, session):
            found = super().load(session)
            return None if found is None else change(found)

        def load_all(self):
            return [change(one) for one in super().load_all()]

        def save(self, record, *, expected):
            stored = super().load(record.session)
            if stored is None or change(stored) != change(record):
                super().save(record, expected=expected)

    return Changing


class Alphabetical(DiskStore):
    def load_all(self):
        return sorted(super().load_all(), key=lambda one: one.session)


class LatestLast(DiskStore):
    """A save moves a record to the end."""

    def save(self, record, *, expected):
        super().save(record, expected=expected)
        self._records[record.session] = self._records.pop(record.session)


class WalksOverTheLiving(DiskStore):
    def load_all(self):
        return iter(self._records.values())


class SeesWhatIsNew(DiskStore):
    def load_all(self):
        walked = set()
        while left := [one for one in self._records.values() if one.session not in walked]:
            walked.add(left[0].session)
            yield left[0]


class OnlyLists(DiskStore):
    def load(self, session):
        return None


class ComparesNothing(DiskStore):
    def save(self, record, *, expected):
        self._records[record.session] = record


class RefusesInSilence(DiskStore):
    def save(self, record, *, expected):
        with contextlib.suppress(Conflict):
            super().save(record, expected=expected)


class OnlyOlderIsAConflict(DiskStore):
    """It lets pass whatever is newer than what is there."""

    def save(self, record, *, expected):
        stored = self.load(record.session)
        if stored is not None and record.version > stored.version:
            expected = stored.version
        super().save(record, expected=expected)


class NextVersionOnly(DiskStore):
    def save(self, record, *, expected):
        if expected and record.version != expected + 1:
            raise Conflict(record.session, expected=expected, found=record.version)
        super().save(record, expected=expected)


class MistakenConflict(DiskStore):
    """It says what was expected in the place of what it found."""

    def save(self, record, *, expected):
        try:
            super().save(record, expected=expected)
        except Conflict as conflict:
            raise Conflict(record.session, expected=expected, found=expected) from conflict


class ZeroForNone(DiskStore):
    def save(self, record, *, expected):
        try:
            super().save(record, expected=expected)
        except Conflict as conflict:
            raise Conflict(
                record.session, expected=expected, found=conflict.found or 0
            ) from conflict


class ReplacesByHalf(DiskStore):
    """A save that is refused leaves something behind."""

    def save(self, record, *, expected):
        try:
            super().save(record, expected=expected)
        except Conflict:
            if stored := self._records.get(record.session):
                self._records[record.session] = attrs.evolve(stored, epoch=record.epoch)
            raise


class Resurrects(DiskStore):
    def save(self, record, *, expected):
        self._records.get(record.session) or self._records.update({record.session: record})
        super().save(record, expected=expected)


class RepeatsAreConflicts(DiskStore):
    def save(self, record, *, expected):
        stored = self.load(record.session)
        found = None if stored is None else stored.version
        if (found or 0) != expected:
            raise Conflict(record.session, expected=expected, found=found)
        super().save(record, expected=expected)


class SameVersionIsTheSame(DiskStore):
    def save(self, record, *, expected):
        stored = self.load(record.session)
        if stored is None or stored.version != record.version:
            super().save(record, expected=expected)


class NeverForgets(DiskStore):
    def forget(self, session):
        pass


class ForgetsAll(DiskStore):
    def forget(self, session):
        self._records.clear()


class ForgetsOnce(DiskStore):
    def forget(self, session):
        del self._records[session]


class Tombstones(DiskStore):
    """What is forgotten never comes back."""

    def save(self, record, *, expected):
        if record.session in self.disk.setdefault("graves", set()):
            raise Conflict(record.session, expected=expected, found=None)
        super().save(record, expected=expected)

    def forget(self, session):
        super().forget(session)
        self.disk.setdefault("graves", set()).add(session)


class ForgetsUntilClosed(DiskStore):
    """It forgets in memory alone."""

    def __init__(self, disk):
        super().__init__(disk)
        self._records = dict(self._records)

    def save(self, record, *, expected):
        super().save(record, expected=expected)
        self.disk["records"][record.session] = record


class ClosesForGood(DiskStore):
    def close(self):
        self.disk.clear()


class ClosesOnce(DiskStore):
    closed = False

    def close(self):
        if self.closed:
            raise RuntimeError("closed twice")
        self.closed = True


class WritesWhenClosed(DiskStore):
    def __init__(self, disk):
        super().__init__(disk)
        self._records = dict(self._records)

    def close(self):
        self.disk["records"] = self._records


class KnowsNoCase(DiskStore):
    def load(self, session):
        return super().load(session.lower())

    def save(self, record, *, expected):
        super().save(attrs.evolve(record, session=record.session.lower()), expected=expected)


class ShortNames(DiskStore):
    def load(self, session):
        return super().load(session[:127])

    def save(self, record, *, expected):
        super().save(attrs.evolve(record, session=record.session[:127]), expected=expected)


class Racing(DiskStore):
    blocking = True

    def save(self, record, *, expected):
        stored = self.load(record.session)
        found = None if stored is None else stored.version
        if (found or 0) != expected and stored != record:
            raise Conflict(record.session, expected=expected, found=found)
        time.sleep(0.01)
        self._records[record.session] = record


class LosesInTheCrowd(DiskStore):
    """Whoever writes last writes what it has read."""

    blocking = True
    lock = threading.Lock()

    def save(self, record, *, expected):
        mine = MemoryStore()
        mine._records = dict(self.disk["records"])
        time.sleep(0.01)
        with self.lock:
            mine.save(record, expected=expected)
            self._records.clear()
            self._records.update(mine._records)


class OfOneThread(DiskStore):
    blocking = True

    def __init__(self, disk):
        super().__init__(disk)
        self.thread = threading.get_ident()

    def save(self, record, *, expected):
        if threading.get_ident() != self.thread:
            raise RuntimeError("the connection was made in another thread")
        super().save(record, expected=expected)


class Blocks(DiskStore):
    blocking = None


class TakenFromNobody(DiskStore):
    """In use, and has no word for it."""

    def __init__(self, disk):
        if disk.setdefault("used", False):
            raise StoreInUse("the first")
        disk["used"] = True
        super().__init__(disk)

    def close(self):
        self.disk["used"] = False


class OwnedByTwo(DiskStore):
    def owned(self):
        return True


class OwnedByNobody(DiskStore):
    def owned(self):
        return False


class LosesWithoutAWord(DiskStore):
    """The newest one has it; saves of the older ones go through all the same."""

    def __init__(self, disk):
        super().__init__(disk)
        self.number = disk["owner"] = disk.get("owner", 0) + 1

    def owned(self):
        return self.disk["owner"] == self.number

    def save(self, record, *, expected):
        if self.owned():
            super().save(record, expected=expected)


class SlowToAnswer(DiskStore):
    def owned(self):
        time.sleep(0.002)
        return True


class NeverForgetsSome(DiskStore):
    """Only a history shows it: what is forgotten in epoch 2 stays."""

    def forget(self, session):
        stored = self.load(session)
        if stored is None or stored.epoch != 2:
            super().forget(session)


# what is no record, and other nonsense


def giving(change):
    """Whatever is made of each record that is loaded by its name."""

    class Giving(DiskStore):
        def load(self, session):
            found = super().load(session)
            return None if found is None else change(found)

        def save(self, record, *, expected):
            MemoryStore.save(self._plain(), record, expected=expected)

        def _plain(self):
            plain = MemoryStore()
            plain._records = self._records
            return plain

    return Giving


class ListsForms(DiskStore):
    def load_all(self):
        return [record_to_json(one) for one in super().load_all()]


class ListsNothing(DiskStore):
    def load_all(self):
        return None


class DoesNotSayWhetherItBlocks:
    def __init__(self, disk):
        """It has no records, nor anything else."""


class OpensOnce(DiskStore):
    """A place that has been closed cannot be opened again."""

    def __init__(self, disk):
        if disk.get("closed"):
            raise OSError("no such place")
        super().__init__(disk)

    def close(self):
        self.disk["closed"] = bool(self._records)


class OpensWhenClosed(DiskStore):
    """As with a lock that dies with nobody."""

    def __init__(self, disk):
        if disk.setdefault("used", False):
            raise OSError("locked")
        disk["used"] = True
        super().__init__(disk)

    def close(self):
        self.disk["used"] = False


class AnswersOnce(DiskStore):
    asked = 0

    def owned(self):
        self.asked += 1
        if self.asked > 1:
            raise RuntimeError("asked twice")
        return True


BROKEN = {
    giving(lambda record: attrs.evolve(record, data=None)): place.LOADED,
    giving(lambda record: attrs.evolve(record, data={"map": b"dust"})): place.LOADED,
    giving(lambda record: attrs.evolve(record, seats=None)): place.LOADED,
    giving(lambda record: attrs.evolve(record, session=None)): place.LOADED,
    giving(record_to_json): place.LOADED,
    giving(lambda record: "a record"): place.LOADED,
    ListsForms: place.ORDER,
    ListsNothing: place.ORDER,
    DoesNotSayWhetherItBlocks: place.BLOCKING,
    OpensOnce: place.CLOSED,
    OpensWhenClosed: place.DURABLE,
    AnswersOnce: place.IS_OWNED,
    changing(drops_data): place.LOADED,
    changing(rounds_instants): place.LOADED,
    changing(forgets_tokens): place.LOADED,
    changing(forgets_why_it_ended): place.LOADED,
    changing(whole_numbers_become_true): place.LOADED,
    OnlyLists: place.LOADED,
    KnowsNoCase: place.LOADED,
    ShortNames: place.LOADED,
    Alphabetical: place.ORDER,
    LatestLast: place.ORDER,
    WalksOverTheLiving: place.WALK,
    SeesWhatIsNew: place.WALK,
    ComparesNothing: place.CONFLICT,
    RefusesInSilence: place.CONFLICT,
    OnlyOlderIsAConflict: place.CONFLICT,
    MistakenConflict: place.CONFLICT,
    ZeroForNone: place.CONFLICT,
    ReplacesByHalf: place.CONFLICT,
    Resurrects: place.CONFLICT,
    SameVersionIsTheSame: place.CONFLICT,
    NextVersionOnly: place.COMPARED,
    Racing: place.COMPARED,
    RepeatsAreConflicts: place.REPEATED,
    NeverForgets: place.FORGOTTEN,
    ForgetsAll: place.FORGOTTEN,
    ForgetsOnce: place.FORGOTTEN,
    Tombstones: place.FORGOTTEN,
    ForgetsUntilClosed: place.FORGOTTEN,
    NeverForgetsSome: place.FORGOTTEN,
    ClosesForGood: place.CLOSED,
    ClosesOnce: place.CLOSED,
    WritesWhenClosed: place.DURABLE,
    LosesInTheCrowd: place.BLOCKING,
    OfOneThread: place.BLOCKING,
    Blocks: place.BLOCKING,
    TakenFromNobody: place.UNOWNED,
    OwnedByTwo: place.ONE_OWNER,
    OwnedByNobody: place.IS_OWNED,
    LosesWithoutAWord: place.LOST,
    SlowToAnswer: place.QUICKLY,
}


def verdict(make, **options):
    with pytest.raises(BrokenPromise) as caught:
        check_store(make, **options)
    return caught.value


@pytest.mark.parametrize(
    ("store", "promise"),
    BROKEN.items(),
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_a_broken_word_is_named(store, promise):
    """Whatever a store does wrong, the sentence of its port that it breaks is quoted."""
    disk = {}
    error = verdict(lambda: store(disk))
    assert error.promise == promise, error
    assert f'reconnect.ports.{promise.where} is broken: "{promise.words}"' in str(error)
    assert not disk.get("used")


def test_what_is_no_record_is_shown():
    """As far as it fits on a line; and of a record, what is wrong in it."""
    error = verdict(lambda disk={}: giving(record_to_json)(disk))
    assert "what came is no Record: {'format': 1, 'session': " in error.saw
    error = verdict(lambda disk={}: giving(lambda one: attrs.evolve(one, data=None))(disk))
    assert error.saw == "'s' was saved with {'data': {}}, and is {'data': None}"


def test_a_good_store_passes():
    """What keeps its word on a disk, in memory, and for one owner."""
    disk = {}
    check_store(lambda: DiskStore(disk))
    check_store(MemoryStore, reopen=lambda store: store)

    class Owner(DiskStore):
        def __init__(self, disk):
            super().__init__(disk)
            self.number = disk["owner"] = disk.get("owner", 0) + 1

        def owned(self):
            return self.disk["owner"] == self.number

        def save(self, record, *, expected):
            if not self.owned():
                raise StoreInUse("the next one")
            super().save(record, expected=expected)

    assert issubclass(Owner, Owned)
    check_store(lambda: Owner(disk))
    assert disk["records"] == {}


def test_what_was_done_is_told():
    """The last line is the step that went wrong."""
    error = verdict(lambda disk={}: RepeatsAreConflicts(disk))
    assert str(error).splitlines()[1:] == [
        "it was refused, with Conflict, because 1 was found",
        "what was done:",
        "    save('s', version 1, expected=0)",
        "    save('s', version 1, expected=0): Conflict, found 1",
    ]


def test_a_history_is_shrunk(monkeypatch):
    """What only a story of several steps shows is told in a few."""
    monkeypatch.setattr(promise, "SHRINKING_MAX", 60.0)
    disk = {}
    error = verdict(lambda: NeverForgetsSome(disk))
    steps = [one for one in error.done if "load" not in one]
    assert len(steps) <= 6
    assert steps[-1].startswith("forget(")


def test_what_was_there_before_stays():
    """The check may be run on a place that is in use for something else."""
    disk = {}
    store = DiskStore(disk)
    store.save(place.make_record("mine"), expected=0)
    check_store(lambda: DiskStore(disk), examples=5)
    assert [one.session for one in store.load_all()] == ["mine"]
