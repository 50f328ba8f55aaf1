"""Reports of runs: tables on the terminal, pictures in the run folder, and HTML pages."""
