"""The command line: one command calls one room. The only place that loads the configuration.

`commands` gathers them all; a sending process starts from `sender`, which needs few of them and little memory.
"""
