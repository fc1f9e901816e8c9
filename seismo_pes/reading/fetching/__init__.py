"""Remote data: object stores, web servers and FDSN web services.

A URL enters; the bytes that it names leave, or an error with the server's reason.
"""
