"""Source texts as syntax trees, for the pages that are made from the code and for the tests that read it."""

import ast
import gc


def parsed(source: str) -> ast.Module:
    """The tree of a text, made while the garbage collector pauses.

    Python 3.11 gives up with "AST constructor recursion depth mismatch" when a parser begins amid another one. A finalizer may do
    so: the traceback of an exception that nobody took is drawn with a parser.
    """
    pausing = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        if pausing:
            gc.enable()
