"""The messages that docs/wire.md shows are messages."""

import json
import re
from pathlib import Path

import pytest

from reconnect.core import messages
from reconnect.core.decode import claim_of, decode_from_client, decode_from_coordinator, session_of
from reconnect.core.policy_wire import policy_from_wire, policy_to_wire
from reconnect.policy import Policy

PAGE = (Path(__file__).parent.parent / "docs/wire.md").read_text("utf-8")
EXAMPLES = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
MESSAGES = [form for form in EXAMPLES if "type" in form]
TO_CLIENTS = ("view", "error")


@pytest.mark.parametrize("form", MESSAGES, ids=lambda form: form["type"])
def test_an_example_is_read_by_the_end_it_is_sent_to(form):
    """Reports by the coordinator, views and errors by clients, the others by both."""
    assert session_of(form) == "g7"
    if form["type"] not in TO_CLIENTS:
        decode_from_client(form)
    if form["type"] in TO_CLIENTS or "from" in form or form["type"] == "bye":
        decode_from_coordinator(form)


def test_every_type_of_message_has_an_example():
    """A reader sees each of them once at least, the two kinds of view and the attach too."""
    types = re.search(r"^\| `type` \| string \| (.*) \|$", PAGE, re.MULTILINE)
    assert types is not None
    assert {form["type"] for form in MESSAGES} == set(re.findall(r"`(\w+)`", types[1]))
    assert {"state" in form for form in MESSAGES if form["type"] == "view"} == {True, False}
    assert next(claim_of(form) is not None for form in MESSAGES if form["type"] == "report")


def test_the_example_of_a_policy_is_the_default_one():
    """Every value is there, with the number that a server's author gets without asking."""
    (form,) = [form for form in EXAMPLES if "type" not in form]
    shown = policy_to_wire(policy_from_wire(form))
    assert {**shown, "ice_servers": []} == policy_to_wire(Policy())


def test_every_field_of_a_report_and_a_view_is_in_the_tables():
    """A field that is not described is one that nobody else can write."""
    names = set(re.findall(r"`(\w+)`", PAGE))
    for form in MESSAGES:
        assert set(form) <= names, form["type"]
    for words in (messages.Reason, messages.Cause, messages.ErrorCode, messages.SignalKind):
        assert set(map(str, words)) <= names, words
