"""The desk: the people who edit, not the people who read.

In come a name and a password, out comes an account with a role; what an account may do is decided by its role alone.
Only hashes are stored, so a copy of the database lets nobody in.
"""
