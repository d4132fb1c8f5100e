"""`fedbridge test`: unit tests of routes, which need no broker.

`command` reads the tests and tells what came of them, `trial` finds out what a route does to a message by what really
runs (its rules, the templates, the codecs of its targets), `differences` compares that with what a test expects.
"""
