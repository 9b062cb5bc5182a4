"""What servers and balancer do, in figures: read from their metrics, kept by Prometheus, shown on a board."""
