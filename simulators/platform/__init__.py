"""The platform's side of the wire: opens, checks, stores, acknowledges. No code of the gateway."""
