"""Bucket: how many messages a connection may send."""

from __future__ import annotations

from attrs import define


@define(eq=False)
class Bucket:
    """Lets `rate` messages a second through, and `burst` at once after a while of rest."""

    rate: float
    burst: float
    _left: float
    _read_at: float

    @classmethod
    def full(cls, *, rate: float, burst: float, now: float) -> Bucket:
        """One of which nothing has been taken."""
        return cls(rate, burst, burst, now)

    def take(self, now: float) -> bool:
        """Take one; False where there is none."""
        left = min(self.burst, self._left + (now - self._read_at) * self.rate)
        self._read_at = now
        if left < 1.0:
            self._left = left
            return False
        self._left = left - 1.0
        return True

    def widen(self, *, rate: float, burst: float) -> None:
        """Let more through from now on; what has been taken stays taken."""
        self._left += burst - self.burst
        self.rate, self.burst = rate, burst
