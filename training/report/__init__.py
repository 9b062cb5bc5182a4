"""The report on a checkpoint: its record, its pictures, the page and the model card."""
