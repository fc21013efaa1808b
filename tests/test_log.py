"""The log: where lines go, and what is never in them."""

import logging
from typing import get_args

import attrs
import pytest
import structlog

from reconnect.core.notices import Paused, SessionNotice
from reconnect.errors import Conflict
from reconnect.log import EVENTS, facts_of, quiet, told

from .by_hand import Log


@pytest.fixture
def own_logging():
    """The loggers structlog and `reconnect`, as a program finds them."""
    structlog.reset_defaults()
    standard = logging.getLogger("reconnect")
    handlers, level = list(standard.handlers), standard.level
    standard.handlers.clear()
    yield standard
    standard.handlers[:], standard.level = handlers, level
    structlog.reset_defaults()


def test_a_logger_that_is_given_is_used():
    """Whatever the program gives is taken as it is."""
    logger = object()
    assert quiet(logger) is logger


@pytest.mark.usefixtures("own_logging")
def test_a_configured_structlog_is_used():
    """Lines go where the program sends its own."""
    with structlog.testing.capture_logs() as lines:
        structlog.configure(processors=structlog.get_config()["processors"])
        quiet().info("reconnect.paused", session="s")
    assert lines == [{"event": "reconnect.paused", "session": "s", "log_level": "info"}]


@pytest.mark.usefixtures("own_logging")
def test_without_any_logging_nothing_is_printed(capfd):
    """Unconfigured structlog would print to stdout, an unconfigured standard logger to stderr."""
    log = quiet().bind(session="s")
    log.info("reconnect.paused")
    log.error("reconnect.bug")
    assert capfd.readouterr() == ("", "")
    assert not structlog.is_configured()


def test_the_standard_library_shows_lines_where_it_is_configured(own_logging, caplog):
    """A program that logs with the standard library sees our lines, at the level it chose."""
    with caplog.at_level(logging.INFO, logger="reconnect"):
        log = quiet().bind(session="s")
        log.info("reconnect.paused", cause="control_lost")
        log.debug("reconnect.attached")
    assert [line.getMessage() for line in caplog.records] == [
        "event='reconnect.paused' session='s' cause='control_lost'"
    ]


@pytest.mark.usefixtures("own_logging")
def test_loggers_made_twice_do_not_double_anything():
    """Each call gives a logger; the standard one gets one silent handler in all."""
    quiet()
    quiet()
    assert len(logging.getLogger("reconnect").handlers) == 1


@pytest.mark.parametrize("kind", get_args(SessionNotice))
def test_every_notice_has_an_event_and_its_fields(kind):
    """Each notice of a session is logged under a name of its own, with what it carries."""
    log = Log()
    values = {field.name: field.name for field in attrs.fields(kind)}
    told(log.bind(), "s", kind(**values))
    assert log.lines == [{"event": EVENTS[kind], "session": "s", "level": "info", **values}]
    assert len(set(EVENTS.values())) == len(EVENTS)


def test_sets_are_logged_in_order():
    """A line does not change with the seed of a hash."""
    log = Log()
    told(log.bind(), "s", Paused("start", frozenset("cab"), 1))
    assert log.lines[0]["missing"] == ["a", "b", "c"]


def test_the_sentence_of_a_foreign_error_is_not_logged():
    """It could quote a token or the address of a database; the kind and the place do."""

    def fails():
        raise ValueError("invalid literal: 'secret'")

    with pytest.raises(ValueError, match="secret") as caught:
        fails()
    facts = facts_of(caught.value)
    assert facts["error"] == "ValueError"
    assert "test_log.py" in facts["where"]
    assert "fails" in facts["where"]
    assert "secret" not in str(facts)


def test_the_sentence_of_our_own_errors_is_logged():
    """They never contain what was received."""
    error = Conflict("s", expected=3, found=4)
    assert facts_of(error) == {"error": "Conflict", "detail": str(error)}
