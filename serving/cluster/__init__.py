"""The chart for clusters: what of it is made from code, how it is rendered, and what its manifests are held to."""
