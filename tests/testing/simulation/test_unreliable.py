"""A store, and a server's process around it, that fail."""

import pytest

from reconnect.core.session import Session
from reconnect.errors import StoreError
from reconnect.policy import Policy
from reconnect.stores.memory import MemoryStore
from reconnect.testing.server_process import ServerProcess
from reconnect.testing.simulation.unreliable import Trouble, UnreliableServer, UnreliableStore
from reconnect.testing.virtual import VirtualRuntime

RECORD = Session.born("s", ["a", "b"], Policy(), now=0.0, wall=0.0).first_save(now=0.0).record


def store_with(trouble: Trouble | None) -> UnreliableStore:
    store = UnreliableStore()
    store.trouble = trouble
    return store


@pytest.mark.parametrize(("trouble", "kept"), [(Trouble.RAISES, False), (Trouble.LIES, True)])
def test_an_error_may_be_a_lie(trouble, kept):
    """Who hears it cannot know whether the record is there."""
    store, told = store_with(trouble), []
    store.saved = told.append
    with pytest.raises(StoreError):
        store.save(RECORD, expected=0)
    assert (store.load("s") is not None) is kept
    assert told == ([RECORD] if kept else [])


def test_without_trouble_it_is_a_store():
    """As one in memory, that is used as a disk is."""
    store = store_with(None)
    store.save(RECORD, expected=0)
    assert store.load("s") == RECORD
    assert store.blocking
    assert not MemoryStore.blocking


@pytest.mark.parametrize(
    ("trouble", "done_by", "heard_by"),
    [
        (None, 0.1, 0.1),
        (Trouble.SLOW, 0.5, 0.5),
        (Trouble.SILENT, 0.1, None),
        (Trouble.LATE, 1.6, 1.6),
    ],
)
def test_its_work_is_late_or_never_heard_of(trouble, done_by, heard_by):
    """Late is when a save has been given up."""
    runtime = VirtualRuntime(3)
    process = ServerProcess(runtime.process(), delay=lambda: 0.0)
    server = UnreliableServer(process, store_with(trouble), save_timeout=1.0)
    done, heard = [], []
    server.work(lambda: done.append(runtime.now()), lambda _: heard.append(runtime.now()))
    runtime.run(5.0)
    assert done[0] <= done_by
    if trouble is Trouble.LATE:
        assert done[0] > 1.0
    assert (heard[0] <= heard_by) if heard_by else not heard
