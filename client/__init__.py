"""Asking a served model: classification and parity. Never imports torch."""
