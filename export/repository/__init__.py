"""The versioned Triton repository, here or published: what is in it, how it changes, what holds."""
