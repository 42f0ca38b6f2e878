"""The propagator ``flow``: objects and background compete for every pixel."""
