"""Become another program that dies with its parent; run as a file by process.py.

Arguments: signal, parent's pid, user id, group id, program, its arguments.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Drop to the given user, ask the kernel for a signal at the parent's death, and exec."""
    death_signal, parent, user, group = map(int, sys.argv[1:5])
    if os.geteuid() == 0 and user != 0:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    # After the change of user, which clears this setting.
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        sys.exit(f"prctl failed: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:  # The parent died before the line above could take effect.
        sys.exit("The parent process has ended.")
    try:
        os.execv(sys.argv[5], sys.argv[5:])  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.exit(f"{sys.argv[5]} cannot be run: {error.strerror}")


if __name__ == "__main__":
    main()
