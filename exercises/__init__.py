"""The exercises of the lessons, one file a lesson: checkers with points and minutes, and below them the
answers on which the tests try them."""
