"""Archives: which files hold which channel at which time.

The name of an archive enters; its channels, their times and the spans to be read leave.
An archive is searched by the names of its files (`sds`, `pattern`, `cloud`), by their
headers (`scan`, `header_index`) or by requests to a data centre (`fdsn`); `opening`
chooses one of these.
"""
