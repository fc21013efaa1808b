"""Provenance: by what, under which rules and by which clocks a file of telemetry was written."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

from reconnect.core.checks import Json
from reconnect.core.messages import PROTOCOL_VERSION

CLOCKS = {
    "coordinator": "monotonic seconds of the coordinator's process",
    "wall": "seconds since 1970-01-01 UTC by the coordinator's machine: the monotonic clock, plus "
    "an offset that is measured when a session begins in a process",
    "clients": "not used: what a client saw is placed on the coordinator's clock, at the arrival "
    "of the report, less the time it waited there, less how long ago the client says it was",
}


def provenance(*, written_at: float) -> dict[str, Any]:
    """What every file begins with; `written_at` is wall-clock seconds."""
    return {
        "reconnect": version("reconnect"),
        "protocol": PROTOCOL_VERSION,
        "python": platform.python_version(),
        "clocks": CLOCKS,
        "written_at": written_at,
    }


def without_servers(policy: Json) -> Json:
    """The JSON form of a policy without its ICE servers, whose credentials are secrets."""
    return {**policy, "ice_servers": []}
