"""Where news comes in: bytes from feeds, files and folders become stories, and the bank keeps them.

In: a URL, a file or a folder. Out: `Story` values, each known for good by (source, guid), with near-duplicates grouped.
Everything a stranger wrote is cleaned here once, so that no later room meets a tag, a tracker or a control character.
"""
