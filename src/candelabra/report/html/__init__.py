"""HTML reports of a run, a sweep or several runs: one self-contained file each. Imports no torch."""
