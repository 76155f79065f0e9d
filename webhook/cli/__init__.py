"""The options and the help of each command, a file a command; what it does is in ``webhook/commands``.

All of these files are read at every start, so what a command needs is imported in its function.
"""
