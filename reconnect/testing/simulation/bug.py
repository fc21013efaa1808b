"""Bug: a rule taken out of the real code for a while, to see whether anybody notices.

Nothing is copied: a method, a property, a function or a constant is replaced by one without the
rule, which is given the real one to go on with, and is put back afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from attrs import frozen

from reconnect.testing.simulation.setting import Setting


def _anywhere(_setting: Setting) -> bool:
    return True


def peer_to_peer(setting: Setting) -> bool:
    """Whether there are links between the players."""
    return setting.policy.topology.peer_to_peer


@frozen
class Swap:
    """What stands where for a while: `instead` is called with the real thing in front.

    In place of a constant, what `instead(real)` returns.
    """

    owner: Any
    """A class, or a module; what a class has inherited is replaced where it stands."""
    name: str
    instead: Callable[..., Any]

    @contextmanager
    def made(self) -> Iterator[None]:
        """While this lasts, the real thing is gone; `AttributeError` where there is none."""
        lines = getattr(self.owner, "__mro__", (self.owner,))
        holder = next((one for one in lines if self.name in vars(one)), None)
        if holder is None:
            raise AttributeError(f"{self.owner!r} has no {self.name} that could be taken out")
        real = vars(holder)[self.name]
        setattr(holder, self.name, _in_place_of(real, self.instead))
        try:
            yield
        finally:
            setattr(holder, self.name, real)


@frozen
class Bug:
    """One rule that the code is without."""

    id: str
    rule: str
    """What is taken out, in a sentence."""
    breaks: str
    """What comes of it."""
    swaps: tuple[Swap, ...]
    survives: str = ""
    """Which other rule seems to stand in for it, where no game has shown it yet; else empty."""
    rare: bool = False
    """Whether chance takes too long to bring it out, so that its story was made by hand."""
    shows: Callable[[Setting], bool] = _anywhere
    """In which settings it can make a difference at all."""

    @contextmanager
    def planted(self) -> Iterator[None]:
        """While this lasts, the rule is out, for everybody in this process."""
        with ExitStack() as swapped:
            for swap in self.swaps:
                swapped.enter_context(swap.made())
            yield


def _in_place_of(real: Any, instead: Callable[..., Any]) -> Any:
    if isinstance(real, property):
        return property(lambda self: instead(real.fget, self), real.fset)
    if isinstance(real, classmethod):
        function = real.__func__

        def build(cls: type[Any], *args: Any, **named: Any) -> Any:
            return instead(lambda *some, **more: function(cls, *some, **more), *args, **named)

        return classmethod(build)
    if not callable(real):
        return instead(real)

    def call(*args: Any, **named: Any) -> Any:
        return instead(real, *args, **named)

    return call
