"""Simulated events of a liquid-argon TPC, written as event files."""
