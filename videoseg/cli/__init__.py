"""The command line: the library with fewer keys."""
