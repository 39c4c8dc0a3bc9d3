"""The device key behind one protocol, the platform's public keys, COSE envelopes."""
