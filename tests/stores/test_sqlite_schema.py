"""The database file: made, opened, brought up to date, and left alone where it is not ours."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from reconnect.core.record import record_to_json
from reconnect.core.table import State
from reconnect.errors import StoreError
from reconnect.stores.sqlite import SQLiteStore
from reconnect.stores.sqlite_schema import (
    APPLICATION_ID,
    MIGRATIONS,
    Row,
    connect,
    record_of,
    transaction,
)
from reconnect.testing.checks.place import make_record as record

LIVING = record("living", 3)
ENDED = record("ended", 5, state=State.ENDED, reason="won", ended_at=1e10)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


def schema(path):
    """Everything that is declared in the file."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT type, name FROM sqlite_master").fetchall()
        columns = {
            name: [column[1:] for column in connection.execute(f"PRAGMA table_info({name})")]
            for kind, name in tables
            if kind == "table"
        }
        version = connection.execute("PRAGMA user_version").fetchone()
        application = connection.execute("PRAGMA application_id").fetchone()
    return sorted(tables), columns, version, application


def made_by_version_1(path, *records, unreadable=()):
    """A file as the first schema had it: no owner, and nothing beside the records."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        connection.execute(
            "CREATE TABLE records"
            " (session TEXT PRIMARY KEY, version INTEGER NOT NULL, record TEXT NOT NULL)"
        )
        texts = {one.session: json.dumps(record_to_json(one)) for one in records}
        texts |= dict.fromkeys(unreadable, "oops")
        for session, text in texts.items():
            connection.execute("INSERT INTO records VALUES (?, 5, ?)", (session, text))


def test_a_new_file_is_of_the_present_schema(path):
    """And is opened again as it is."""
    connect(path).close()
    new = schema(path)
    assert new[2:] == ((len(MIGRATIONS),), (APPLICATION_ID,))
    connect(path).close()
    assert schema(path) == new


def test_an_older_file_is_brought_up_to_date(path, tmp_path):
    """It has the same schema as a new one then, and every record that it had."""
    made_by_version_1(path, LIVING, ENDED)
    store = SQLiteStore(path)
    try:
        assert list(store.load_all()) == [LIVING, ENDED]
        store.save(record("living", 6), expected=5)
    finally:
        store.close()
    connect(tmp_path / "new.db").close()
    assert schema(path) == schema(tmp_path / "new.db")


def test_what_is_searched_for_is_found_in_older_records(path):
    """When they expire, and how long their leases are; an unreadable one stays, and has neither."""
    made_by_version_1(path, LIVING, ENDED, unreadable=["broken"])
    with closing(connect(path)) as connection:
        found = connection.execute(
            "SELECT session, lease_bound, expires_at FROM records ORDER BY session"
        ).fetchall()
    assert found == [
        ("broken", 0.0, None),
        ("ended", ENDED.policy.lease_bound, 1e10 + ENDED.policy.retention),
        ("living", LIVING.policy.lease_bound, None),
    ]


def test_a_migration_that_fails_changes_nothing(path, monkeypatch):
    """Each step is in the one transaction; the next start tries again."""
    made_by_version_1(path, LIVING)
    before = schema(path)

    def fails(connection):
        connection.execute("CREATE TABLE half (a)")
        raise sqlite3.OperationalError("no more room")

    monkeypatch.setattr("reconnect.stores.sqlite_schema.MIGRATIONS", (*MIGRATIONS, fails))
    with pytest.raises(StoreError, match="no more room"):
        connect(path)
    assert schema(path) == before
    monkeypatch.undo()
    connect(path).close()


def test_a_file_of_a_newer_release_is_left_alone(path):
    """It says so; nothing in it is changed."""
    connect(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = schema(path)
    with pytest.raises(StoreError, match="schema 99, of a newer release; this one knows 2"):
        connect(path)
    assert schema(path) == before


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE accounts (name)", "PRAGMA application_id = 77"]
)
def test_the_database_of_another_program_is_left_alone(statement, path):
    """Not even its journal mode is changed."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        connect(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_an_error(path):
    """With its name, and unchanged."""
    path.write_bytes(b"a save game of something else" * 100)
    with pytest.raises(StoreError, match=r"sessions\.db: file is not a database"):
        connect(path)
    assert path.read_bytes().startswith(b"a save game")


def test_a_damaged_database_is_an_error_and_no_records(path):
    """A store that reads nothing must not look like an empty one."""
    store = SQLiteStore(path)
    for number in range(50):
        store.save(record(f"s{number}", data={"text": "x" * 500}), expected=0)
    store.close()
    damaged = bytearray(path.read_bytes())
    for page in range(2, len(damaged) // 4096):
        damaged[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    path.write_bytes(damaged)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"sessions\.db: .*malformed"):
            SQLiteStore(path)


def test_a_place_that_does_not_exist_is_an_error(tmp_path):
    """A folder is not made."""
    with pytest.raises(StoreError, match="unable to open"):
        connect(tmp_path / "nowhere" / "sessions.db")
    with pytest.raises(StoreError, match="unable to open"):
        connect(tmp_path)


def test_where_there_is_no_write_ahead_log_there_is_no_store():
    """As on a network's disk, which breaks other promises too."""
    with pytest.raises(StoreError, match="local disk"):
        connect(Path(":memory:"))


def test_a_transaction_happens_whole_or_not_at_all(path):
    """Whatever is raised in it, even an exit."""
    with closing(connect(path)) as connection:

        def change(error):
            with transaction(connection):
                connection.execute("UPDATE owner SET epoch = 7")
                if error is not None:
                    raise error

        for error in (ValueError, sqlite3.OperationalError, KeyboardInterrupt):
            with pytest.raises(error):
                change(error)
            assert not connection.in_transaction
        assert connection.execute("SELECT epoch FROM owner").fetchone() == (0,)
        change(None)
        assert connection.execute("SELECT epoch FROM owner").fetchone() == (7,)


def test_what_was_rolled_back_already_is_no_second_error(path):
    """SQLite rolls back by itself after some errors; the first error is the one that is raised."""
    with closing(connect(path)) as connection:

        def fail():
            with transaction(connection):
                connection.execute("ROLLBACK")
                raise ValueError("first")

        with pytest.raises(ValueError, match="first"):
            fail()
        assert not connection.in_transaction


def test_a_row_has_what_is_searched_for():
    """Beside the text, which has everything."""
    assert Row.of(LIVING).values[:4] == ("living", 3, LIVING.policy.lease_bound, None)
    assert Row.of(ENDED).expires_at == 1e10 + ENDED.policy.retention
    assert record_of("ended", Row.of(ENDED).text) == ENDED
