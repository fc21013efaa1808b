"""Messages as texts, most of them wrong in one way; what the real decoder makes of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

from reconnect.core.messages import PROTOCOL_VERSION
from reconnect.core.policy_wire import policy_to_wire
from reconnect.policy import IceServer, Policy
from reconnect.testing.conformance.verdicts import CLIENT, COORDINATOR, Text, verdict
from tests.core import test_decode as forms

VIEW = forms.VIEW | {"outages": 1, "paused_ms": 250}
POLICY = policy_to_wire(Policy(topology="star", hub="bob", ice_servers=[IceServer("stun:x", "u")]))
FORMS = (
    (CLIENT, forms.REPORT),
    (COORDINATOR, VIEW),
    (COORDINATOR, forms.SHORT_VIEW),
    *((COORDINATOR, form) for form in (forms.SIGNAL, forms.SIGNAL_ACK, forms.DATA, forms.ERROR)),
    (COORDINATOR, forms.ENVELOPE | {"type": "bye"}),
)
WRONG = {
    "true": True,
    "a fraction": 1.5,
    "a number in a string": "1",
    "below zero": -1,
    "more than JavaScript counts": 1 << 53,
    "far too much": 10**40,
    "a list": [],
    "an object": {"x": 1},
    "a control character": "a\u0000b",
    "half a surrogate pair": "a\ud800",
    "an empty string": "",
    "a name of every object": "constructor",
}
"""What stands where something else should; what fits by chance is accepted, and says so."""


@frozen
class Message:
    """One text; `what` says what is the matter with it."""

    what: str
    sender: str
    text: Text


def _dumps(form: object) -> str:
    return json.dumps(form, separators=(",", ":"))


def _name(form: dict[str, Any]) -> str:
    return "short view" if form["type"] == "view" and "state" not in form else str(form["type"])


def _about(form: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    """A message without what is long and is not what the path leads to."""
    short = {name: form[name] for name in form if name not in ("links", "facts", "players")}
    if "players" in form:
        short["players"] = []
    return short | {path[0]: form[path[0]]}


def _wrong_values() -> Iterator[Message]:
    """Every value of every message replaced by each wrong one, left out, and null."""
    for form in (forms.SIGNAL, forms.SIGNAL_ACK, forms.DATA):
        yield Message(f"a whole {_name(form)}", CLIENT, _dumps(form))
        for value in (True, "", "x" * 129, None):
            text = _dumps(form | {"from": value})
            yield Message(f"{_name(form)}: a client says who it is", CLIENT, text)
    for sender, whole in FORMS:
        yield Message(f"a whole {_name(whole)}", sender, _dumps(whole))
        for path in forms.places(whole):
            form = _about(whole, path)
            where = f"{_name(form)}: {'.'.join(map(str, path))}"
            for what, value in WRONG.items():
                if value != forms.at(form, path):
                    yield Message(
                        f"{where} is {what}", sender, _dumps(forms.changed(form, path, value))
                    )
            yield Message(f"{where} is null", sender, _dumps(forms.changed(form, path, None)))
            yield Message(f"{where} is missing", sender, _dumps(forms.changed(form, path)))


def _policies() -> Iterator[Message]:
    """A policy is there whole, or the view is refused."""
    yield Message("view with a policy", COORDINATOR, _dumps(VIEW | {"policy": POLICY}))
    for name in list(POLICY)[::8]:
        without = {other: value for other, value in POLICY.items() if other != name}
        text = _dumps(VIEW | {"policy": without})
        yield Message(f"policy without {name}", COORDINATOR, text)
    for name, value in (
        ("lease_ms", 1.5),
        ("lease_ms", 10**9),
        ("lease_ms", -1),
        ("topology", "ring"),
        ("topology", "mesh"),
        ("restarts", "2"),
        ("on_leave", "stay"),
        ("ice_servers", [{"urls": "stun:x"}]),
        ("ice_servers", [{"urls": []}]),
        ("mood", "good"),
    ):
        text = _dumps(VIEW | {"policy": POLICY | {name: value}})
        yield Message(f"policy: {name} is {value!r}", COORDINATOR, text)


def _bounds() -> Iterator[Message]:
    """The longest that is taken, and one more."""
    report, view, error = forms.REPORT, VIEW, forms.ERROR
    link, fact, player = {"up": True}, report["facts"][0], view["players"][0]
    for what, sender, form, at, most in (
        ("session in characters", CLIENT, report, ("session",), 128),
        ("player in characters", CLIENT, report, ("player",), 128),
        ("token in characters", CLIENT, report, ("token",), 128),
        ("cause in characters", CLIENT, report, ("cause",), 64),
        ("kind of a fact in characters", CLIENT, report, ("facts", 0, "kind"), 64),
        ("text in a fact in characters", CLIENT, report, ("facts", 0, "data", "lag"), 200),
        ("attempt_id in characters", COORDINATOR, forms.SIGNAL, ("attempt_id",), 64),
        ("from in characters", COORDINATOR, forms.SIGNAL, ("from",), 128),
        ("reason in characters", COORDINATOR, view, ("reason",), 64),
        ("code in characters", COORDINATOR, error, ("code",), 64),
        ("detail in characters", COORDINATOR, error, ("detail",), 200),
    ):
        for length in (most, most + 1):
            yield Message(
                f"{what}: {length}", sender, _dumps(forms.changed(form, at, "x" * length))
            )
        # a character is a code point, however many units a language needs for it
        for length in (most, most + 1):
            before, after = _dumps(forms.changed(form, at, "@")).split("@")
            text: Text = [before, ["\U0001f3ae", length], after]
            yield Message(f"{what}, outside the first plane: {length}", sender, text)
    for what, sender, form, most in (
        ("links", CLIENT, lambda n: report | {"links": {f"p{i}": link for i in range(n)}}, 64),
        ("facts", CLIENT, lambda n: report | {"facts": [fact] * n}, 16),
        ("players", COORDINATOR, lambda n: view | {"players": [player] * n}, 64),
        ("speaks", COORDINATOR, lambda n: error | {"speaks": [1] * n}, 16),
    ):
        for length in (0, most, most + 1):
            yield Message(f"{what}: {length}", sender, _dumps(form(length)))
    for name, value in (("ago_ms", 1 << 50), ("ago_ms", (1 << 50) + 1), ("n", (1 << 53) - 1)):
        text = _dumps(report | {"facts": [fact | {name: value}]})
        yield Message(f"{name} of a fact: {value}", CLIENT, text)


def _pieces(form: dict[str, Any], name: str, piece: str, times: int) -> Text:
    before, after = _dumps(form | {name: "@"}).split("@")
    return [before, [piece, times], after]


def _huge_and_deep() -> Iterator[Message]:
    for sender in (CLIENT, COORDINATOR):
        for times in (65536, 65537, 1 << 20):
            text = _pieces(forms.SIGNAL, "payload", "x", times)
            yield Message(f"payload of a signal in characters: {times}", sender, text)
        for times in (383, 384, 100_000):
            text = _pieces(forms.DATA, "payload", "AAAA", times)
            yield Message(f"payload of data, 3 bytes {times} times", sender, text)
        for payload in ("", "A", "AA", "AA=", "AA==", "AAA=", "AAAA\n", "AA-_", "=AAA", "\u00e9"):
            text = _dumps(forms.DATA | {"payload": payload})
            yield Message(f"payload of data: {payload!r}", sender, text)
        yield Message("100,000 lists in each other", sender, [["[", 100_000], ["]", 100_000]])
        yield Message("100,000 lists without an end", sender, [["[", 100_000]])
    text = _dumps(forms.REPORT | {"mood": "@"}).split('"@"')
    deep: Text = [text[0], ["[", 100], ["]", 100], text[1]]
    yield Message("100 lists in an unknown field", CLIENT, deep)
    yield Message("unknown fields", COORDINATOR, _dumps(VIEW | {"mood": {"deep": [1, None]}}))


def _no_messages() -> Iterator[Message]:
    """JSON that is no message, and what is no JSON."""
    bye, view = forms.ENVELOPE | {"type": "bye"}, forms.SHORT_VIEW
    for raw in (None, True, 0, 1.5, "view", [], [view], {}, {"type": "view"}, forms.ENVELOPE):
        for sender in (CLIENT, COORDINATOR):
            yield Message(f"no message: {_dumps(raw)}", sender, _dumps(raw))
    for text in ("", " ", "{", "}", "nul", "{'v':1}", _dumps(view)[:-1], _dumps(view) * 2):
        yield Message("no JSON", COORDINATOR, text)
    for constant in ("NaN", "Infinity", "-Infinity", "01", "+1", "0x1", "1e400", "undefined"):
        text = _dumps(view | {"version": "@"}).replace('"@"', constant)
        yield Message(f"version is {constant}", COORDINATOR, text)
    for version in (0, 2, 999, -1, 10**40, True, "1", None, [1]):
        for form in (bye, {"v": 1}):
            text = _dumps(form | {"v": version})
            yield Message(f"v is {version!r}", COORDINATOR, text)
    for kind in ("report", "REPORT", "view ", "", "hello", "x" * 65, "bye"):
        for sender in (CLIENT, COORDINATOR):
            text = _dumps(forms.ENVELOPE | {"type": kind})
            yield Message(f"type is {kind!r}", sender, text)
    for text in ('{"v":2,"v":1,"session":"s","type":"bye"}', '{"v":1,"v":2,"session":"s"}'):
        yield Message("a name that stands there twice: the last one counts", COORDINATOR, text)
    for name in ("__proto__", "constructor", "toString", "hasOwnProperty", "a b", "\u2028", ""):
        text = _dumps(forms.REPORT | {"links": {name: {"up": True}}})
        yield Message(f"a peer called {name!r}", CLIENT, text)


def _all() -> Iterator[Message]:
    seen = set()
    for some in (_wrong_values, _policies, _bounds, _huge_and_deep, _no_messages):
        for message in some():
            key = (message.sender, str(message.text))
            if key not in seen:
                seen.add(key)
                yield message


MESSAGES = tuple(_all())


def write_messages(path: Path) -> None:
    """Write the file of messages and verdicts."""
    lines = [_dumps({"messages": PROTOCOL_VERSION})]
    for one in MESSAGES:
        head = {"what": one.what, "from": one.sender, "text": one.text}
        lines.append(_dumps(head | verdict(one.text, one.sender)))
    path.write_text("\n".join([*lines, ""]), "utf-8")
