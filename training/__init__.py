"""Training and evaluation of the hit classifier."""
