"""Single rooms of the agent at full speed, as programs: `mayak bench` starts and measures them."""
