"""Commands on a sweep: status, best job, retry. Imports no torch."""
