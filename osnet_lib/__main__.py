"""``python -m osnet_lib`` is the ``osnet`` command."""

import sys

from .cli import main

sys.exit(main())
