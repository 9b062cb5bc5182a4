"""Gates: the limits, the sample that a graph is judged by, and the judgement."""
