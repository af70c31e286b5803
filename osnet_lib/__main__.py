"""``python -m osnet_lib`` is the ``osnet`` command."""

import sys

from .cli.main import main

sys.exit(main())
