"""What a checkpoint is worth on held-out events: scores, figures, uncertainties."""
