"""What is served: tensors, model configuration, manifest, golden patches, and a session that replays them."""
