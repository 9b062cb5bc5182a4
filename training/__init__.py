"""Dataset, networks, Lightning module and evaluation of the hit classifier."""
