"""The ``videoseg`` program."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status.

    Args:
        arguments: The arguments of the command; by default those of this process.

    Returns:
        0 for success, 1 for an error, 2 for wrong usage, 130 after Ctrl-C, 143 or 129 after
        SIGTERM or SIGHUP.
    """
    began = time.perf_counter()
    try:
        # Imported here, so that errors and Ctrl-C during the imports are one line, too.
        from videoseg.cli.program import run_program

        return run_program(sys.argv[1:] if arguments is None else arguments, began=began)
    except ImportError as error:
        from videoseg.errors import MissingDependencyError

        if (missing := MissingDependencyError.of(error)) is None:
            raise
        sys.stderr.write(f"error: {missing}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
