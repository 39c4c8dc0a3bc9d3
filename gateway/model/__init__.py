"""The shared vocabulary: what everybody means by a reading, a command, an error.

Imports nothing of ours.
"""
