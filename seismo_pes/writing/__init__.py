"""How finished correlations are kept: `rows` of them, in `parts`, through a `sink`."""
