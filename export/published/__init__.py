"""Published versions: a store, its models, what travels there, and what goes."""
