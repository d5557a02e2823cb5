"""What outlives a lost disk: copies of the database, and the journal of who left since they were made.

In goes a database; out comes a file that can be put in its place, and a house that then sends nothing until the
journal was replayed. Knows no person and no newsletter: to whom the journal's marks belong is for others to say.
"""
