"""OSDP readers on RS-485, with a secure channel; the protocol itself is libosdp's."""
