"""Every table of the book, a module a chapter; nothing is run here."""
