"""`candelabra check`: what a data set holds, what is odd in it, and what leaks from one split into another."""
