"""Every file says by what it was written."""

import json
import platform

import reconnect
from reconnect import IceServer, Policy
from reconnect.core.messages import PROTOCOL_VERSION
from reconnect.core.policy_wire import policy_to_wire
from reconnect.telemetry.provenance import provenance, without_servers


def test_versions_clocks_and_the_time_of_writing():
    """What a reader needs to know before believing a number."""
    header = provenance(written_at=12.5)
    assert header["reconnect"] == reconnect.__version__
    assert header["protocol"] == PROTOCOL_VERSION
    assert header["python"] == platform.python_version()
    assert set(header["clocks"]) == {"coordinator", "wall", "clients"}
    assert header["written_at"] == 12.5
    assert json.loads(json.dumps(header)) == header


def test_a_policy_without_its_servers():
    """Everything else is as it was; the original is not changed."""
    policy = policy_to_wire(Policy(ice_servers=[IceServer(["turn:relay.example"], "user", "pass")]))
    assert without_servers(policy) == policy_to_wire(Policy())
    assert policy["ice_servers"]
