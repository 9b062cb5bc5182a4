"""The networks, their checkpoints, and what is folded into them."""
