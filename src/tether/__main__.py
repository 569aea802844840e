"""`python -m tether` is the `tether` script."""

from tether.cli.entry import main

if __name__ == "__main__":
    main()
