"""A training: the Lightning module, where it starts, and its folder."""
