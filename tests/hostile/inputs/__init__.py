"""The inputs, a module for each category."""
