"""Engines that come with the package: they are started, watched and stopped here, as plain child processes.

Both the broker and the providers may import this package; it imports neither.
"""
