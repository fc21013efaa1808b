"""`python -m reconnect` is the command `reconnect`."""

import sys

from reconnect.cli import main

sys.exit(main())
