"""From files that nobody vouches for to pixels."""
