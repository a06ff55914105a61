"""`python -m deploy` is the `edtech` command."""

import sys


def run() -> None:
    """Run the command; Ctrl-C while its code is still being loaded is quiet, too."""
    try:
        from deploy.cli import main

        main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
