"""Lets ``python -m videoseg`` do what ``videoseg`` does."""

import sys

from videoseg.cli.main import main

sys.exit(main())
