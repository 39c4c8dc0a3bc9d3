"""The sealed store: what was read lies here as ciphertext until the platform holds it."""
