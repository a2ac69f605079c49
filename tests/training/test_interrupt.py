import signal
import threading

import pytest

from graphattn_jax.training._interrupt import held_interrupts


def ctrl_c():
    signal.raise_signal(signal.SIGINT)


def test_the_first_is_held_to_the_end_of_the_block():
    reached = False
    with pytest.raises(KeyboardInterrupt), held_interrupts(True) as interrupted:
        assert not interrupted()
        ctrl_c()
        reached = interrupted()
    assert reached
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_second_is_raised_at_once():
    with pytest.raises(KeyboardInterrupt), held_interrupts(True):
        ctrl_c()
        ctrl_c()
        pytest.fail("went on")
    with pytest.raises(KeyboardInterrupt):
        ctrl_c()


def test_another_error_is_not_hidden():
    with pytest.raises(ZeroDivisionError), held_interrupts(True):
        ctrl_c()
        1 / 0  # noqa: B018
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_it_is_left_alone():
    with pytest.raises(KeyboardInterrupt), held_interrupts(False):
        ctrl_c()
        pytest.fail("went on")
    seen = []
    own = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        with held_interrupts(True) as interrupted:
            ctrl_c()
        assert seen == [signal.SIGINT] and not interrupted()
    finally:
        signal.signal(signal.SIGINT, own)

    def elsewhere():
        with held_interrupts(True) as interrupted:
            seen.append(interrupted())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen[-1] is False
