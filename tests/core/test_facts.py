"""Facts: told until a report that bore them has arrived, in order, and never without a bound."""

from reconnect.core.facts import FACTS_MAX, FACTS_PER_REPORT, Facts
from reconnect.core.messages import Fact


def test_a_fact_says_how_long_ago_it_was():
    """A client's clock is nobody else's, so instants travel as ages."""
    facts = Facts()
    facts.note("hidden", {"hidden": True}, 10.0)
    assert facts.untold
    assert facts.borne_by(1, 12.5) == (Fact(1, "hidden", 2.5, {"hidden": True}),)
    assert not facts.untold


def test_a_fact_is_repeated_until_a_report_that_bore_it_is_acknowledged():
    """Each report bears all of them again, in the order they happened."""
    facts = Facts()
    facts.note("a", {}, 0.0)
    facts.acked(99)
    assert facts.untold  # no report has borne it
    facts.borne_by(5, 0.0)
    facts.acked(4)
    facts.note("b", {}, 1.0)
    assert [fact.kind for fact in facts.borne_by(6, 1.0)] == ["a", "b"]
    facts.acked(5)
    assert [fact.kind for fact in facts.borne_by(7, 1.0)] == ["b"]
    facts.acked(6)
    assert facts.borne_by(8, 1.0) == ()


def test_a_report_bears_so_many_facts_and_the_next_one_the_others():
    """What does not fit is no reason for another report at once."""
    facts = Facts()
    for n in range(FACTS_PER_REPORT + 1):
        facts.note(str(n), {}, 0.0)
    assert len(facts.borne_by(1, 0.0)) == FACTS_PER_REPORT
    assert not facts.untold
    facts.acked(1)
    assert facts.untold
    assert [fact.n for fact in facts.borne_by(2, 0.0)] == [FACTS_PER_REPORT + 1]


def test_more_facts_than_anybody_wants_push_out_the_oldest():
    """They are counted, and the numbers of the others tell that some are missing."""
    facts = Facts()
    for n in range(FACTS_MAX + 3):
        facts.note(str(n), {}, 0.0)
    assert facts.lost == 3
    assert facts.borne_by(1, 0.0)[0].n == 4
