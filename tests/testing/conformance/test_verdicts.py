"""What becomes of a text, whatever it is."""

import pytest

from reconnect.testing.conformance.verdicts import CLIENT, COORDINATOR, verdict, whole_text

BYE = '{"v":1,"session":"s","type":"bye"}'
REPORT = (
    '{"v":1,"session":"s","type":"report","gen":0,"seq":1,"epoch":0,"phase":"halted",'
    '"version":0,"cause":null,"mood":"good","player":"ann","token":"t"}'
)


def test_a_message_that_is_right_is_given_in_its_shortest_form():
    """What has its default value, and what nobody knows, is left out; a claim is not."""
    said = verdict(REPORT, CLIENT)
    assert said["verdict"] == "accepted"
    assert set(said["message"]) == {
        *("v", "session", "type", "gen", "seq", "epoch", "phase", "version", "frame"),
        *("player", "token"),
    }
    assert verdict(BYE, COORDINATOR) == {
        "verdict": "accepted",
        "message": {"v": 1, "session": "s", "type": "bye"},
    }


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "malformed"),
        ("[", "malformed"),
        ("[" * 100_000, "malformed"),
        (BYE.replace('"s"', "NaN"), "malformed"),
        (BYE.replace('"s"', '""'), "malformed"),
        (BYE.replace('"s"', f'"{"s" * 129}"'), "too_large"),
        (BYE.replace("1", "2"), "version"),
    ],
)
def test_a_text_that_is_wrong_is_rejected_with_a_code(text, code):
    """Text that is no JSON is malformed like a message that is none."""
    assert verdict(text, COORDINATOR) == {"verdict": "rejected", "code": code}


def test_a_sender_says_only_what_it_may_say():
    """A report of the coordinator is none."""
    assert verdict(REPORT, COORDINATOR)["verdict"] == "rejected"


def test_a_long_text_is_put_together_of_pieces():
    """A piece that stands there often is written once."""
    assert whole_text(["a", ["bc", 3], "d"]) == "abcbcbcd"
    assert whole_text("plain") == "plain"
    with pytest.raises(ValueError, match="neither a string"):
        whole_text([["a", "b"]])
