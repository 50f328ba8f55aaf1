"""Pages of a run, a sweep or several runs: one file each, from what lies in their folders; without torch."""
