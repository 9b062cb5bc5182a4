"""What is served: tensors, model configuration, manifest, golden hits, and a session that replays them."""
