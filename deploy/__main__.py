"""`python -m deploy` is the `edtech` command."""

from deploy.cli import main

main()
