"""The JSON form of a policy, in views and in records: durations are whole milliseconds.

Nothing is lost on the way, because a policy holds its durations to the millisecond.
"""

from __future__ import annotations

from typing import Any

from reconnect.core.checks import (
    Json,
    identity,
    items,
    line,
    mapping,
    one_of,
    seconds,
    whole,
)
from reconnect.errors import PolicyError, RemoteProtocolError
from reconnect.policy import (
    COUNTS,
    DURATIONS,
    ICE_SERVERS_MAX,
    ICE_TEXT_MAX,
    ICE_URLS_MAX,
    IceServer,
    OnShortage,
    Policy,
    Topology,
)

TOPOLOGIES = {str(one): one for one in Topology}
SHORTAGES = {str(one): one for one in OnShortage}


def policy_to_wire(policy: Policy) -> Json:
    """The JSON form of a policy."""
    return {
        "topology": str(policy.topology),
        "hub": policy.hub,
        **{f"{name}_ms": _milliseconds(getattr(policy, name)) for name in DURATIONS},
        **{name: getattr(policy, name) for name in COUNTS},
        "on_deadline": str(policy.on_deadline),
        "on_leave": str(policy.on_leave),
        "ice_servers": [_ice_server_to_wire(one) for one in policy.ice_servers],
    }


def policy_from_wire(raw: object) -> Policy:
    """The policy of which this is the JSON form.

    Every value has to be there: a policy is pinned whole, so that no later release fills a gap
    with a default of its own. Raises `RemoteProtocolError`.
    """
    get = mapping(raw, "policy").get
    values: dict[str, Any] = {name: _duration(get(f"{name}_ms"), name) for name in DURATIONS}
    values.update({name: whole(get(name), name) for name in COUNTS})
    ice_servers = items(get("ice_servers"), "ice_servers", ICE_SERVERS_MAX)
    try:
        return Policy(
            topology=one_of(get("topology"), "topology", TOPOLOGIES),
            hub=None if get("hub") is None else identity(get("hub"), "hub"),
            on_deadline=one_of(get("on_deadline"), "on_deadline", SHORTAGES),
            on_leave=one_of(get("on_leave"), "on_leave", SHORTAGES),
            ice_servers=tuple([_ice_server_from_wire(server) for server in ice_servers]),
            **values,
        )
    except PolicyError:
        # its own sentence would quote what was received
        raise RemoteProtocolError("policy contradicts itself") from None


def _milliseconds(duration: float | None) -> int | None:
    return None if duration is None else round(duration * 1000)


def _duration(value: object, name: str) -> float | None:
    return None if value is None and name == "start_timeout" else seconds(value, name)


def _ice_server_to_wire(server: IceServer) -> Json:
    form: Json = {"urls": list(server.urls)}
    if server.username is not None:
        form["username"] = server.username
    if server.credential is not None:
        form["credential"] = server.credential
    return form


def _ice_server_from_wire(value: object) -> IceServer:
    get = mapping(value, "ice server").get
    urls = items(get("urls"), "urls", ICE_URLS_MAX)
    return IceServer(
        [line(url, "url", ICE_TEXT_MAX) for url in urls],
        None if get("username") is None else line(get("username"), "username", ICE_TEXT_MAX),
        None if get("credential") is None else line(get("credential"), "credential", ICE_TEXT_MAX),
    )
