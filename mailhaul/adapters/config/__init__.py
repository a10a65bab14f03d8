"""The configuration: the .fetchmailrc language, the command line and .netrc.

``load.load`` combines the parts; each part can also be used alone, with plain values.
"""
