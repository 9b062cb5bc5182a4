"""The versioned Triton repository: what is written there, and what must hold in it."""
