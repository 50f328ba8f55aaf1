"""Launchers, ranks and SLURM jobs."""
