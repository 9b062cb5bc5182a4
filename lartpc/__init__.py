"""The domain's nouns: detector, event file, patch, ADC scale, tensor contract, provenance, errors."""
