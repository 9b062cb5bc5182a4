"""A mean that follows what it is of: the latest value weighs a tenth."""

SHARE = 0.1
"""Of the latest value in the mean."""


class RunningMean:
    """A mean of values as they come; whoever shares it between threads locks it.

    Attributes:
        value: of it; None before the first one.
    """

    def __init__(self) -> None:
        self.value: float | None = None

    def add(self, value: float) -> None:
        """Take in a value."""
        self.value = value if self.value is None else (1 - SHARE) * self.value + SHARE * value
