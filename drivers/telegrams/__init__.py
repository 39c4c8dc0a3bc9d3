"""Telegrams as data: request, answer, checksum and values of simple serial protocols."""
