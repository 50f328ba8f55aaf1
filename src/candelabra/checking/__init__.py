"""Check data sets, for `candelabra check`: contents, issues, duplicates, and leaks between splits."""
