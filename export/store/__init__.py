"""Where a model repository lies: a folder or a bucket, behind one interface."""
