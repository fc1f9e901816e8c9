"""Bytes from elsewhere: object stores, web servers and FDSN web services.

A URL enters, the bytes behind it leave.
"""
