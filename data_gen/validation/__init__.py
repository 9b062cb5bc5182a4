"""The generator's physics against references: one module a subject, one page for all."""
