"""What is measured rather than asserted; run each with `python -m benchmarks.<name>`."""
