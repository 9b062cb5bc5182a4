"""Running a model repository: a local Triton and what it needs. Never imports torch."""
