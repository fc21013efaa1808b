"""Vectors: histories of single clients, by which every implementation of a client is held.

A file of them is lines of JSON; tests/vectors/README.md describes it. `check_vectors` tells the
histories to the real `Peer`, and `python -m reconnect.testing.vectors FILE ...` does it from a
shell: it is the reference for a runner in another language.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen

from reconnect.core.checks import Json
from reconnect.core.messages import PROTOCOL_VERSION
from reconnect.errors import LocalProtocolError, RemoteProtocolError
from reconnect.testing.conformance.actor import BEGINNING, Actor, Who, unlike
from reconnect.testing.conformance.peer_json import MESSAGE
from reconnect.testing.conformance.verdicts import verdict

FORMAT = 1
VECTORS = "vectors"
MESSAGES = "messages"
ENVELOPE = {"v": PROTOCOL_VERSION}


class VectorError(LocalProtocolError, ValueError):
    """A line of a file of vectors cannot be read."""

    def __init__(self, line: int, detail: str) -> None:
        self.line = line
        self.detail = detail
        super().__init__(f"line {line}: {detail}")


@frozen
class Difference:
    """What is otherwise than a vector says; `field` is a path, as in `then.play`."""

    line: int
    history: str
    field: str
    expected: object
    found: object

    def __str__(self) -> str:
        return (
            f"line {self.line}, {self.history}: {self.field} "
            f"is {self.found!r}, not {self.expected!r}"
        )


@frozen
class Step:
    """One line of a history: an event, and what has to come of it."""

    at_ms: int
    event: Json
    draws: Sequence[float] = ()
    effects: Sequence[Json] = ()
    taken: Sequence[Json] = ()
    then: Json = field(factory=dict)
    line: int = 0

    def to_json(self) -> Json:
        form: Json = {"at_ms": self.at_ms, "event": self.event}
        for name in ("draws", "effects", "taken", "then"):
            if getattr(self, name):
                form[name] = getattr(self, name)
        return form


@frozen
class History:
    """What one client was told in its life, or in the beginning of it."""

    name: str
    who: Who
    steps: Sequence[Step]
    rows: Sequence[str] = ()
    """The rows of the client's tables that it visits."""


def check(history: History) -> Difference | None:
    """The first thing in which the real `Peer` differs from a history."""
    actor = Actor.entering(history.who)
    state = BEGINNING
    for step in history.steps:
        state = {**state, **step.then}
        try:
            outcome = actor.hears(step.event, at_ms=step.at_ms, draws=step.draws)
        except (LocalProtocolError, RemoteProtocolError) as error:
            return Difference(step.line, history.name, "event", "handled", str(error))
        found = {"effects": outcome.effects, "taken": outcome.taken, "then": outcome.state}
        expected = {"effects": [*step.effects], "taken": [*step.taken], "then": state}
        for one in unlike(expected, found):
            return Difference(step.line, history.name, one.field, one.expected, one.found)
    return None


def check_vectors(path: Path | str) -> list[Difference]:
    """What the real `Peer`, or the real decoder, does otherwise: at most one of each history.

    Raises `VectorError` at a line that cannot be read, and `OSError`.
    """
    lines = list(_lines(Path(path)))
    if not lines or {VECTORS, MESSAGES}.isdisjoint(lines[0][1]):
        raise VectorError(1, "the first line does not say what the file is")
    if MESSAGES in lines[0][1]:
        return list(_check_messages(lines[1:]))
    return [one for one in map(check, _histories(lines)) if one is not None]


def read_vectors(path: Path | str) -> list[History]:
    """The histories of a file; raises `VectorError` at a line that cannot be read."""
    return list(_histories(_lines(Path(path))))


def write_vectors(path: Path, histories: Iterable[History]) -> None:
    """Write a file of histories; the same ones give the same bytes."""
    policies: dict[str, str] = {}
    body = []
    for history in histories:
        head = {"history": history.name, **history.who.to_json(), "rows": list(history.rows)}
        body.append(_dumps(head))
        body += [_dumps(_shortened(step.to_json(), policies)) for step in history.steps]
    named = {name: json.loads(policy) for policy, name in policies.items()}
    first = _dumps({VECTORS: FORMAT, "beginning": BEGINNING, "policies": named})
    path.write_text("\n".join([first, *body, ""]), "utf-8")


# -- messages --------------------------------------------------------------------------------------


def _check_messages(lines: Iterable[tuple[int, Json]]) -> Iterator[Difference]:
    for number, line in lines:
        found = verdict(line["text"], line["from"])
        expected = {name: line[name] for name in line if name not in ("from", "text", "what")}
        for one in unlike(expected, found):
            yield Difference(number, line["what"], one.field, one.expected, one.found)
            break


# -- lines -----------------------------------------------------------------------------------------


def _dumps(form: Json) -> str:
    return json.dumps(form, separators=(",", ":"), ensure_ascii=True)


def _lines(path: Path) -> Iterator[tuple[int, Json]]:
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, start=1):
            try:
                form = json.loads(text)
            except ValueError as error:
                raise VectorError(number, f"no JSON: {error}") from error
            if not isinstance(form, dict):
                raise VectorError(number, "no object")
            yield number, form


def _histories(lines: Iterable[tuple[int, Json]]) -> Iterator[History]:
    policies: Json = {}
    head: Json | None = None
    steps: list[Step] = []
    for number, form in lines:
        try:
            if VECTORS in form:
                _check_format(form[VECTORS])
                policies = form["policies"]
            elif "history" in form:
                if head is not None:
                    yield _history(head, steps)
                head, steps = form, []
                Who.from_json(head)
            elif head is None:
                raise ValueError("an event of no history")
            else:
                steps.append(_step(form, head["session"], policies, number))
        except (ValueError, KeyError, TypeError, RemoteProtocolError) as error:
            raise VectorError(number, f"{type(error).__name__}: {error}") from error
    if head is not None:
        yield _history(head, steps)


def _check_format(found: object) -> None:
    if found != FORMAT:
        raise ValueError(f"format {found!r}, not {FORMAT}")


def _history(head: Json, steps: list[Step]) -> History:
    return History(head["history"], Who.from_json(head), steps, head["rows"])


def _step(form: Json, session: str, policies: Json, number: int) -> Step:
    def whole(outer: Json) -> Json:
        if MESSAGE not in outer:
            return outer
        message = {**ENVELOPE, "session": session, **outer[MESSAGE]}
        if "policy" in message:
            message["policy"] = policies[message["policy"]]
        return {**outer, MESSAGE: message}

    parts: dict[str, Any] = {
        name: form[name] for name in ("draws", "taken", "then") if name in form
    }
    effects = [whole(effect) for effect in form.get("effects", ())]
    return Step(form["at_ms"], whole(form["event"]), effects=effects, line=number, **parts)


def _shortened(form: Json, policies: dict[str, str]) -> Json:
    """A line without what is the same in all: the envelope goes without saying.

    A policy is long and the same for many: it stands in the first line, and its name here.
    """

    def short(outer: Json) -> Json:
        if MESSAGE not in outer:
            return outer
        message = {
            name: value for name, value in outer[MESSAGE].items() if name not in ("v", "session")
        }
        if "policy" in message:
            policy = _dumps(message["policy"])
            message["policy"] = policies.setdefault(policy, f"p{len(policies) + 1}")
        return {**outer, MESSAGE: message}

    event = short(form["event"])
    if "effects" not in form:
        return {**form, "event": event}
    return {**form, "event": event, "effects": [short(effect) for effect in form["effects"]]}


def main(paths: Sequence[str]) -> int:
    """Check files; how many things differ is the exit code, up to 1."""
    differences = 0
    for path in paths:
        found = check_vectors(path)
        differences += len(found)
        for one in found:
            print(f"{path}: {one}")
        print(f"{path}: {len(found)} differences")
    return min(differences, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
