"""Pause a game for all when a connection drops, mend it, and resume for all at once.

A server makes one `Coordinator`, each player's program one `Client`; both tell of what happens by
notices. Adapters are imported from where they live, for example
`from reconnect.signaling.socketio import SocketIOSignaling`.
"""

from reconnect import aio
from reconnect.client import Client
from reconnect.coordinator import Coordinator
from reconnect.core.messages import Cause, Reason
from reconnect.core.notices import (
    Attached,
    Connected,
    Detached,
    Ended,
    Gap,
    LinkSuspect,
    Paused,
    PlayerDropped,
    Reconnecting,
    Resumed,
)
from reconnect.core.table import State
from reconnect.errors import (
    Conflict,
    LocalProtocolError,
    NoSuchPlayer,
    PolicyError,
    ReconnectError,
    RefusedMove,
    RemoteProtocolError,
    SessionEnded,
    StoreError,
    StoreInUse,
    StreamFull,
)
from reconnect.handle import SessionHandle
from reconnect.policy import IceServer, OnShortage, Policy, Topology

__version__ = "0.1.0"

__all__ = [
    "Attached",
    "Cause",
    "Client",
    "Conflict",
    "Connected",
    "Coordinator",
    "Detached",
    "Ended",
    "Gap",
    "IceServer",
    "LinkSuspect",
    "LocalProtocolError",
    "NoSuchPlayer",
    "OnShortage",
    "Paused",
    "PlayerDropped",
    "Policy",
    "PolicyError",
    "Reason",
    "ReconnectError",
    "Reconnecting",
    "RefusedMove",
    "RemoteProtocolError",
    "Resumed",
    "SessionEnded",
    "SessionHandle",
    "State",
    "StoreError",
    "StoreInUse",
    "StreamFull",
    "Topology",
    "aio",
]
