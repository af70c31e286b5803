"""The sentences of the book, a module a language: ``TEMPLATES`` by name, with named values for `str.format`."""
