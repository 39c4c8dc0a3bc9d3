"""What the gateway offers on the spot: the command line's door now, the pages later."""
