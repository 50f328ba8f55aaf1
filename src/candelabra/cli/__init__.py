"""The command line: parsing, composing, help and exit codes."""
