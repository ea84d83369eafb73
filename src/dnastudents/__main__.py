"""`python -m dnastudents`."""

import sys

from dnastudents.cli import main

sys.exit(main())
