import pytest

from reconnect.core.peer import Peer
from reconnect.testing.simulation import bug as module
from reconnect.testing.simulation.bug import Bug, Swap
from reconnect.testing.simulation.planted import BUGS


class Parent:
    limit = 3

    def inherited(self):
        return 1


class Child(Parent):
    def method(self, more, *, times=1):
        return more * times

    @property
    def size(self):
        return 10

    @classmethod
    def made(cls, name, *, number):
        return cls.__name__, name, number


def double(real, *args, **named):
    return real(*args, **named) * 2


def test_a_method_is_replaced_by_one_that_is_given_the_real_one():
    """It is called as the real one is, with that in front, and is gone afterwards."""
    with Swap(Child, "method", double).made():
        assert Child().method(2, times=3) == 12
    assert Child().method(2, times=3) == 6


def test_what_is_inherited_is_replaced_where_it_stands():
    """It is found by the name of any class that has it, and the class is as before."""
    with Swap(Child, "inherited", double).made():
        assert Parent().inherited() == 2
    assert "inherited" not in vars(Child)
    assert Parent().inherited() == 1


def test_a_property_is_replaced():
    """It stays a property."""
    with Swap(Child, "size", double).made():
        assert Child().size == 20
    assert Child().size == 10


def test_a_class_method_is_replaced():
    """It knows the class that it is called on."""
    with Swap(Child, "made", double).made():
        assert Child.made("x", number=1) == ("Child", "x", 1, "Child", "x", 1)
    assert Child.made("x", number=1) == ("Child", "x", 1)


def test_a_constant_is_replaced_by_what_is_made_of_it():
    """It is a value still."""
    with Swap(Child, "limit", lambda real: real + 1).made():
        assert Child.limit == 4
    assert Child.limit == 3


def test_a_function_of_a_module_is_replaced():
    """Whoever asks the module for it gets the other one."""
    with Swap(module, "_anywhere", lambda _real, _setting: "nowhere").made():
        assert module._anywhere(None) == "nowhere"
    assert module._anywhere(None) is True


def test_it_is_put_back_after_an_error():
    """Whatever is raised meanwhile."""
    with pytest.raises(ZeroDivisionError), Swap(Child, "method", double).made():
        1 / 0  # noqa: B018 - raises
    assert Child().method(2) == 2


def test_a_rule_that_is_not_there_cannot_be_taken_out():
    """A bug does not outlive the code it was planted in."""
    with (
        pytest.raises(AttributeError, match="no_such_rule"),
        Swap(Peer, "no_such_rule", double).made(),
    ):
        pass


def test_a_bug_of_several_rules_puts_all_of_them_back():
    """The last one first, so that one thing may be replaced twice."""
    twice = (Swap(Child, "method", double), Swap(Child, "method", double))
    with Bug("x", "A rule.", "All.", twice).planted():
        assert Child().method(2) == 8
    assert Child().method(2) == 2


@pytest.mark.parametrize("bug", BUGS.values(), ids=lambda bug: bug.id)
def test_every_bug_fits_the_code_and_leaves_it_as_it_was(bug):
    """What it takes out is there, is another while it is planted, and is back afterwards."""
    places = [(holder(swap), swap.name) for swap in bug.swaps]
    real = [vars(owner)[name] for owner, name in places]
    with bug.planted():
        assert all(
            vars(owner)[name] is not one for (owner, name), one in zip(places, real, strict=True)
        )
    assert [vars(owner)[name] for owner, name in places] == real


def holder(swap):
    lines = getattr(swap.owner, "__mro__", (swap.owner,))
    return next(one for one in lines if swap.name in vars(one))
