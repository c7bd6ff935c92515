"""Programs that Ctrl-C reaches, whatever started the tests."""

import signal


def interruptible():
    """Run in a child before its program, as ``preexec_fn``.

    Programs in the background of a script ignore SIGINT, and so does what they start.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
