"""The Python side of Petrel: runs the actions of packs, and answers what pack
code asks of its host. The modules beside this package (st2common, st2actions)
are the import paths that packs are written against.

Only the standard library is used: this code runs with the interpreter of any
pack. It needs Python 3.8 or newer.
"""
