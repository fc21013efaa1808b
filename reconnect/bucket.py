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

    def take(self, now: float, *, cost: float = 1.0) -> bool:
        """Take one, or as much as `cost` says; nothing, and False, where there is not as much."""
        left = self._filled(now)
        if left < cost:
            return False
        self._left = left - cost
        return True

    def share(self, now: float) -> float:
        """How full it is, from 0 to 1."""
        return self._filled(now) / self.burst

    def widen(self, *, rate: float, burst: float, share: float = 1.0) -> None:
        """Let more through from now on; what has been taken stays taken.

        Of what the burst grows by, only so large a share can be taken at once.
        """
        self._left += share * (burst - self.burst)
        self.rate, self.burst = rate, burst

    def _filled(self, now: float) -> float:
        self._left = min(self.burst, self._left + (now - self._read_at) * self.rate)
        self._read_at = now
        return self._left
