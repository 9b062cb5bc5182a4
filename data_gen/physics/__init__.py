"""Particles in liquid argon: cross-sections, decays, transport; energy deposits are what comes out."""
