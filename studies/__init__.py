"""Studies: experiments behind one table of one lesson, each with its command. They use
`tutorial_lib`, which knows nothing of them; their tables lie in data/facts.
"""
