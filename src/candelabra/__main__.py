"""`python -m candelabra`."""

from candelabra.cli.main import main

if __name__ == "__main__":
    main()
