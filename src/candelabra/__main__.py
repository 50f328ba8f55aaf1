"""`python -m candelabra`."""

from candelabra.cli.process import run_process

if __name__ == "__main__":
    run_process()
