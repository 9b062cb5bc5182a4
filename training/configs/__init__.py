"""Recipes: one YAML file a recipe, read by `python -m training.fit --config FILE`."""
