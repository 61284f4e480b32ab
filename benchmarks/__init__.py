"""How fast the library is, beside the textbook code that it is held against."""
