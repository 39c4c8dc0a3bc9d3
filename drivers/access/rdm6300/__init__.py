"""RDM6300 and alike: serial readers of EM4100 (EM-Marine) cards at 125 kHz."""
