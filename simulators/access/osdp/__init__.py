"""OSDP readers: frames, secure channel and twin, written from the protocol's descriptions."""
