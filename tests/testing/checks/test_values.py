"""What is drawn is what an adapter may be given."""

import json

from hypothesis import given

from reconnect.core.record import record_from_json, record_to_json
from reconnect.testing.checks.values import messages, records, same


@given(messages)
def test_messages_are_json(message):
    """Each is an object that comes back as it was."""
    assert same(json.loads(json.dumps(message, allow_nan=False)), message)


@given(records())
def test_records_can_be_read_again(record):
    """Each is one that a coordinator could have written."""
    assert record_from_json(json.loads(json.dumps(record_to_json(record)))) == record


def test_what_is_equal_is_not_always_the_same():
    """Python's equality is too kind for what went over a wire; the order of keys is none."""
    assert same({"a": 1, "b": [None]}, {"b": [None], "a": 1})
    for one, other in ((1, True), (1, 1.0), (0, False), ([], {})):
        assert not same({"a": one}, {"a": other})


def test_what_is_no_json_is_nothing_that_was_sent():
    """However it came."""
    for wrong in (b"a", {1, 2}, {"a": object()}, {(1, 2): 3}):
        assert not same(wrong, "a")
