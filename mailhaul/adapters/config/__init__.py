"""What the user asked for: the .fetchmailrc language, the command line and .netrc.

``load.load`` puts the parts together; each part also works alone on plain values.
"""
