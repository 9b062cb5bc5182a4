"""Settings of a model that suit a machine: what is tried, the search, its servers, what it found."""
