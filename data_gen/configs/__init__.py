"""Configurations: one YAML file each, read by `python -m data_gen.generate --config FILE`."""
