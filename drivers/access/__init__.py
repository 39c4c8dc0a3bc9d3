"""Access readers: OSDP, Wiegand, RDM6300 and PC/SC. What they share stands here."""
