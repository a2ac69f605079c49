"""Ctrl-C between two steps, so that what is saved on the way out is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def held_interrupts(hold: bool) -> Iterator[Callable[[], bool]]:
    """Within the block Ctrl-C is only noted, which the function that it gives tells; behind the block it is raised.

    A second one is raised at once.

    Args:
      hold: False = leave Ctrl-C alone. It is left alone too where Python's own handler is not in force, and outside
        the main thread, which gets no signals.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not (hold and is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler):
        yield lambda: False
        return
    interrupted = False

    def remember(number: int, frame: object) -> None:
        nonlocal interrupted
        if interrupted:
            raise KeyboardInterrupt
        interrupted = True

    signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: interrupted
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if interrupted:
        raise KeyboardInterrupt
