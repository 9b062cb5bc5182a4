"""Events as patches, in batches."""
