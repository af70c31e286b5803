"""The ``osnet`` command, a module for each group of commands."""
