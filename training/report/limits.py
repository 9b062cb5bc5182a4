"""What every figure of a report leaves out, because the simulation does."""

NOT_SIMULATED = (
    "Induction as it is: U and V are read as unipolar, without field response, loss of charge along the "
    "drift or a wire filter.",
    "Space charge: the drift field is uniform.",
    "Cosmic rays other than muons: no showers, hadrons or neutrons from above.",
    "Noise as measured: it is white and alike on all channels; coherent noise and dead channels come only"
    " where a configuration asks for them.",
    "The gaps between the APAs, and the saturation of the ADC.",
    "The ambiguity of wrapped wires: every hit lies on its true wire.",
    "Hadrons in detail: their ranges, kinks and decays are simple.",
)
"""The documents say the same, in the same words."""
