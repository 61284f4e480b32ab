"""The course as a book: `make site` builds web pages, `make book` a PDF and an EPUB, both from the
executed notebooks. Nothing is executed.
"""
