"""Archives: which files hold which channel at which time.

The name of an archive enters, and the channels, their times and the spans to be read
leave. An archive is searched by file names (`sds`, `pattern`, `cloud`), by headers
(`scan`, `index`) or by a request (`fdsn`); `opening` chooses the way.
"""
