"""`python -m newsletter` is `worldbrief`."""

from newsletter.cli.commands import main

if __name__ == "__main__":
    main()
