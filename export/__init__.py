"""From a checkpoint to checked, versioned models in a Triton repository."""
