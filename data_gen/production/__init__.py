"""Work shared among processes or a cluster, and kept whole when interrupted."""
