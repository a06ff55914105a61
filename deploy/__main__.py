"""`python -m deploy` is the `edtech` command."""

import signal
import sys
from types import FrameType

from shared.garbage import nothing_is_garbage


def run() -> None:
    """Run the command; Ctrl-C while its code is still being loaded is quiet, and not lost."""
    came = False

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        nonlocal came
        came = True
        raise KeyboardInterrupt

    usual = signal.getsignal(signal.SIGINT)
    try:
        if usual is signal.default_int_handler:
            signal.signal(signal.SIGINT, interrupt)
        with nothing_is_garbage():
            from deploy.cli import main
        signal.signal(signal.SIGINT, usual)
        # Python ignores one that comes while an import calls back.
        if came:
            sys.exit(130)
        main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
