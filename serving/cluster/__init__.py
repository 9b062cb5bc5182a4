"""The chart for clusters: what of it is made from code, how it is rendered, what manifests are held to."""
