"""The device key behind one protocol, the platform's public keys, and the COSE structures made with them."""
