"""How many servers a site needs for its clients: a model, and a simulation that checks it."""
