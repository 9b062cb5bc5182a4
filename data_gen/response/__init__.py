"""From energy deposits to plane images and hits."""
