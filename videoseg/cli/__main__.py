"""Lets ``python -m videoseg.cli`` do what ``videoseg`` does."""

import sys

from videoseg.cli.main import main

sys.exit(main())
