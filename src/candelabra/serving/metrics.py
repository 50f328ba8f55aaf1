"""What a server counts, as Prometheus reads it."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class ServingMetrics:
    """Requests, their times, pictures and batches of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "candelabra_requests", "Requests by path and status", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram("candelabra_request_seconds", "Time of a prediction", registry=self.registry)
        self.batches = Histogram(
            "candelabra_batch_pictures", "Pictures run together", registry=self.registry, buckets=(1, 2, 4, 8, 16, 32)
        )
        self.waiting = Gauge("candelabra_waiting_pictures", "Pictures that wait or are run", registry=self.registry)

    def format_text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)
