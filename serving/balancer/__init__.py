"""The balancer before several servers: Envoy, its configuration and its process."""
