"""`python -m unikeras` is the `unikeras` command."""

from unikeras.cli import main

main()
