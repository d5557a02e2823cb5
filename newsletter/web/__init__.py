"""What people see in a browser: the public pages, the archive, and the desk, on one port.

In come requests, out go pages rendered from `templates/pages`. A GET never writes; what writes is a form a person
posts, or the one-click POST of RFC 8058. No page needs a script, sets a cookie for readers or asks a third party for
anything.
"""
