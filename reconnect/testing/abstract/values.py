"""Values: live objects written down as tuples, and brought back to life.

A search has to see that two states are the same one. So everything is written down as it stands
at the instant 0: instants are relative, and those too long ago to matter are as long ago as
matters; numbers that are only compared can be given other numbers in the same order.

What no rule decides by (statistics, words for people, what an application says) is left out: in
what is brought back it has its first value, or is missing, so that a rule that did read it would
fail with `AttributeError`. A field that is named nowhere here is written down as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from math import ceil, isfinite
from typing import Any, Protocol

import attrs
from attrs import define, frozen

from reconnect.core.messages import Phase

EPOCH, VERSION, GEN, SEQ, SENT, CONN = "epoch", "version", "gen", "seq", "sent", "conn"
"""The kinds of numbers. GEN, SEQ and SENT are a player's own. SENT is a SEQ of a report of which
nothing is kept but when it was sent."""


class Visitor(Protocol):
    """What is done to the instants and numbers in a value."""

    def instant(self, when: float, floor: float, /) -> float:
        """Put in the place of an instant; none before `floor` differs from it."""

    def number(self, kind: str, owner: str, number: int, /) -> int | None:
        """Put in the place of a number; None takes a SENT away."""


class Part(Protocol):
    """How one kind of thing is written down."""

    def write(self, live: Any, /) -> Hashable: ...
    def live(self, written: Any, /) -> Any: ...
    def seen(self, written: Any, owner: str, visitor: Visitor, /) -> Any:
        """The same with other instants and numbers; `owner` is the player it is about."""


class Plain:
    """Anything hashable that stays as it is."""

    def write(self, live: Any) -> Hashable:
        assert isinstance(live, Hashable), f"{live!r} needs a form"
        return live

    def live(self, written: Any) -> Any:
        return written

    def seen(self, written: Any, _owner: str, _visitor: Visitor) -> Any:
        return written


@frozen
class Number:
    """A number that is only compared with others of its kind; may be None."""

    kind: str

    def write(self, live: int | None) -> Hashable:
        return live

    def live(self, written: int | None) -> int | None:
        return written

    def seen(self, written: int | None, owner: str, visitor: Visitor) -> int | None:
        return None if written is None else visitor.number(self.kind, owner, written)


@frozen
class Instant:
    """Seconds from now, up to the next whole one; may be None.

    Rounding up changes nothing where now is always whole: `now >= at` and `now < at` stay what
    they are.
    """

    floor: float = 0.0

    def write(self, live: float | None) -> Hashable:
        if live is None:
            return None
        return max(self.floor, float(ceil(live)) if isfinite(live) else live)

    def live(self, written: float | None) -> float | None:
        return written

    def seen(self, written: float | None, _owner: str, visitor: Visitor) -> float | None:
        return None if written is None else visitor.instant(written, self.floor)


class Given:
    """Whether something is there; what it is, everybody knows."""

    def __init__(self, what: object) -> None:
        self.what = what

    def write(self, live: object) -> Hashable:
        return live is not None

    def live(self, written: bool) -> object:
        return self.what if written else None

    def seen(self, written: bool, _owner: str, _visitor: Visitor) -> bool:
        return written


class Names:
    """A list of names."""

    def __init__(self, kind: Callable[[Iterable[str]], object]) -> None:
        self.kind = kind

    def write(self, live: Iterable[str]) -> Hashable:
        return tuple(live)

    def live(self, written: tuple[str, ...]) -> object:
        return self.kind(written)

    def seen(self, written: tuple[str, ...], _owner: str, _visitor: Visitor) -> tuple[str, ...]:
        return written


class Items:
    """A dict of which neither keys nor values are numbers or instants."""

    def write(self, live: Mapping[str, Hashable]) -> Hashable:
        return tuple(sorted(live.items(), key=lambda item: item[0]))

    def live(self, written: tuple[tuple[str, Hashable], ...]) -> dict[str, Hashable]:
        return dict(written)

    def seen(self, written: Any, _owner: str, _visitor: Visitor) -> Any:
        return written


@frozen
class Sent:
    """When the reports were sent of which an acknowledgement may come."""

    floor: float

    def write(self, live: Mapping[int, float]) -> Hashable:
        when = Instant(self.floor).write
        return tuple(sorted((seq, when(at)) for seq, at in live.items()))

    def live(self, written: tuple[tuple[int, float], ...]) -> dict[int, float]:
        return dict(written)

    def seen(self, written: tuple[tuple[int, float], ...], owner: str, visitor: Visitor) -> Any:
        numbered = [
            (visitor.number(SENT, owner, seq), visitor.instant(at, self.floor))
            for seq, at in written
        ]
        return tuple([item for item in numbered if item[0] is not None])


class Told:
    """What a report said last: epoch, phase, generation; or None."""

    def write(self, live: tuple[int, Phase, int] | None) -> Hashable:
        return live

    def live(self, written: Any) -> Any:
        return written

    def seen(self, written: Any, owner: str, visitor: Visitor) -> Any:
        if written is None:
            return None
        epoch, phase, gen = written
        return visitor.number(EPOCH, owner, epoch), phase, visitor.number(GEN, owner, gen)


@define(eq=False)
class Form:
    """How the objects of one class are written down, field by field; None stays None."""

    cls: type[Any]
    owner: str | None
    """The field that says of which player the numbers are; else they are the whole's."""
    parts: tuple[tuple[str, Part], ...]
    first: tuple[tuple[str, Callable[[], object]], ...]
    """Fields that are not written down, and what they have in what is brought back."""

    @classmethod
    def of(
        cls,
        kind: type[Any],
        *,
        owner: str | None = None,
        first: Mapping[str, Callable[[], object]] | None = None,
        missing: Iterable[str] = (),
        **parts: Part,
    ) -> Form:
        """Fields that are not named are plain; raises `LookupError` for names of no field."""
        names = [field.name for field in attrs.fields(kind)]
        first = {} if first is None else first
        left_out = {*first, *missing}
        if unknown := {*parts, *left_out} - {*names}:
            raise LookupError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
        plain = Plain()
        kept = [name for name in names if name not in left_out]
        return cls(
            kind,
            owner,
            tuple((name, parts.get(name, plain)) for name in kept),
            tuple(first.items()),
        )

    def write(self, live: Any) -> Hashable:
        """As a tuple."""
        if live is None:
            return None
        return tuple([part.write(getattr(live, name)) for name, part in self.parts])

    def live(self, written: Any) -> Any:
        """An object of its own."""
        if written is None:
            return None
        new = object.__new__(self.cls)
        put = object.__setattr__
        for (name, part), value in zip(self.parts, written, strict=True):
            put(new, name, part.live(value))
        for name, make in self.first:
            put(new, name, make())
        return new

    def seen(self, written: Any, owner: str, visitor: Visitor) -> Any:
        """The same with other instants and numbers."""
        if written is None:
            return None
        if self.owner is not None:
            owner = next(
                value
                for (name, _), value in zip(self.parts, written, strict=True)
                if name == self.owner
            )
        return tuple(
            [
                part.seen(value, owner, visitor)
                for (_, part), value in zip(self.parts, written, strict=True)
            ]
        )


@define(eq=False)
class Each:
    """Several things of one form: a tuple, or a dict by the field that names the owner."""

    form: Form
    by: str | None = None

    def write(self, live: Any) -> Hashable:
        some = live if self.by is None else live.values()
        return tuple([self.form.write(one) for one in some])

    def live(self, written: tuple[Any, ...]) -> Any:
        some = tuple([self.form.live(one) for one in written])
        return some if self.by is None else {getattr(one, self.by): one for one in some}

    def seen(self, written: tuple[Any, ...], owner: str, visitor: Visitor) -> Any:
        return tuple([self.form.seen(one, owner, visitor) for one in written])
