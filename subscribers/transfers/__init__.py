"""People who come over from elsewhere by the file, are taken back, or are handed on.

In goes a CSV file with the evidence of each consent, out come counts and the reason for every row; `exports` is the way
back. Suppression is stronger than any file, and who left stays away.
"""
