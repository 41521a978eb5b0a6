"""`python -m selfplay` is `selfplay`."""

from selfplay.cli import main

if __name__ == "__main__":
    main()
