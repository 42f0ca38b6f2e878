"""``python -m videoseg_ray``."""

import sys

from videoseg_ray.cli import main

if __name__ == "__main__":
    sys.exit(main())
