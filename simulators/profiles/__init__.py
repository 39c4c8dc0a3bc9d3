"""`mayak profile`: makes, shows and tests profiles of devices, each against a twin made of it."""
